// SPDX-License-Identifier: Apache-2.0

package imagetest

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"sync/atomic"
	"testing"

	v1 "github.com/google/go-containerregistry/pkg/v1"
)

// Daemon answers the few requests of the Docker API that reading an image needs.
type Daemon struct {
	// Host is a value for DOCKER_HOST.
	Host string
	// Name is the one reference that it knows, beside ID.
	Name string
	// ID is what inspect answers and export expects.
	ID v1.Hash
	// Descriptor is what a daemon with containerd's image store adds; nil for none.
	Descriptor *v1.Descriptor
	Image      *Image
	// Export is the answer to `docker save`.
	Export []byte
	// Exports counts the exports.
	Exports atomic.Int64
}

// NewDaemon serves image under name as the classic image store does.
func NewDaemon(t testing.TB, name string, image *Image) *Daemon {
	t.Helper()
	d := &Daemon{Name: name, Image: image}
	if image != nil {
		d.ID, d.Export = image.ID(), Tar(DockerFiles(Saved{image, []string{name}})...)
	}
	s := httptest.NewServer(d)
	t.Cleanup(s.Close)
	d.Host = "tcp://" + strings.TrimPrefix(s.URL, "http://")
	return d
}

// ServeHTTP implements http.Handler.
func (d *Daemon) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Api-Version", "1.47")
	_, path, _ := strings.Cut(strings.TrimPrefix(r.URL.Path, "/"), "/")
	image := strings.TrimSuffix(strings.TrimSuffix(strings.TrimPrefix(path, "images/"), "/json"), "/history")
	switch {
	case r.URL.Path == "/_ping":
	case path == "images/get":
		d.Exports.Add(1)
		if r.URL.Query().Get("names") != d.ID.String() {
			answer(w, http.StatusNotFound, map[string]string{"message": "export is not by ID"})
			return
		}
		_, _ = w.Write(d.Export)
	case d.Image == nil || image != d.Name && image != d.ID.String():
		answer(w, http.StatusNotFound, map[string]string{"message": "No such image: " + image})
	case strings.HasSuffix(path, "/history"):
		answer(w, http.StatusOK, d.history())
	case strings.HasSuffix(path, "/json"):
		answer(w, http.StatusOK, d.inspect())
	default:
		answer(w, http.StatusNotFound, map[string]string{"message": "page not found"})
	}
}

func (d *Daemon) inspect() map[string]any {
	var layers []string
	for _, l := range d.Image.Layers {
		layers = append(layers, l.DiffID.String())
	}
	c := d.Image.Config
	return map[string]any{
		"Id": d.ID.String(), "RepoTags": []string{d.Name}, "Os": c.OS, "Architecture": c.Architecture, "Variant": c.Variant,
		"Config": c.Config, "RootFS": map[string]any{"Type": "layers", "Layers": layers}, "Descriptor": d.Descriptor,
	}
}

func (d *Daemon) history() []map[string]any {
	var out []map[string]any
	for i, h := range d.Image.Config.History {
		size := 0
		if !h.EmptyLayer && i < len(d.Image.Layers) {
			size = 1 + i
		}
		out = append([]map[string]any{{"Id": "<missing>", "CreatedBy": h.CreatedBy, "Size": size}}, out...)
	}
	return out
}

func answer(w http.ResponseWriter, code int, v any) {
	w.Header().Set("Content-Type", "application/json")
	w.WriteHeader(code)
	_ = json.NewEncoder(w).Encode(v)
}
