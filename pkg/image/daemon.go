// SPDX-License-Identifier: Apache-2.0

package image

import (
	"context"
	"fmt"
	"io"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/containerd/errdefs"
	"github.com/docker/cli/cli/context/docker"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/types"
	"github.com/moby/moby/client"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// daemon is one image of a Docker daemon, found once and from then on by ID.
type daemon struct {
	*opener
	api   *client.Client
	host  string
	id    v1.Hash
	media types.MediaType // of what the ID names; empty in the classic image store

	image *Image
	// life ends with the Set: exports outlive the callers who wanted them first.
	life context.Context
	end  context.CancelFunc
	mu   sync.Mutex
	dump *dump
}

func (o *opener) openDaemon(ctx context.Context, ref string) (*Set, error) {
	ep, _, err := o.daemonHost()
	if err != nil {
		return nil, err
	}
	if ep == nil {
		ep = &docker.Endpoint{EndpointMeta: docker.EndpointMeta{Host: client.DefaultDockerHost}}
	}
	return o.openDaemonAt(ctx, ref, ep)
}

func (o *opener) openDaemonAt(ctx context.Context, ref string, ep *docker.Endpoint) (*Set, error) {
	if !isImageID(ref) {
		if _, err := o.parseName(ref); err != nil {
			return nil, err
		}
	}
	api, err := newDaemonClient(ep)
	if err != nil {
		return nil, err
	}
	d := &daemon{opener: o, api: api, host: redactReference(ep.Host)}
	d.life, d.end = context.WithCancel(context.WithoutCancel(ctx))
	set, err := o.closeOnError(api, func() (*Set, error) { return d.inspect(ctx, ref) })
	if err != nil {
		d.end()
		return nil, err
	}
	set.closers = append([]io.Closer{d}, set.closers...)
	return set, nil
}

// isImageID knows the long and short forms of an ID.
func isImageID(s string) bool {
	hex := strings.TrimPrefix(s, "sha256:")
	return len(hex) >= 12 && len(hex) <= 64 && strings.Trim(hex, "0123456789abcdef") == ""
}

// Close implements io.Closer.
func (d *daemon) Close() error {
	d.end()
	d.mu.Lock()
	defer d.mu.Unlock()
	if d.dump == nil {
		return nil
	}
	return d.dump.close()
}

// inspect resolves the reference once. Config and diff IDs are the daemon's word.
func (d *daemon) inspect(ctx context.Context, ref string) (*Set, error) {
	found, err := d.api.ImageInspect(ctx, ref)
	if err != nil {
		return nil, d.explain(ref, err)
	}
	if d.id, err = v1.NewHash(withAlgorithm(found.ID)); err != nil {
		return nil, faultf(KindNetwork, "the daemon's answer has no image ID: %w", err)
	}
	history, err := d.api.ImageHistory(ctx, found.ID)
	if err != nil {
		return nil, d.explain(found.ID, err)
	}
	config, err := configFromInspect(found, history, d.Limits)
	if err != nil {
		return nil, err
	}
	image := &Image{Config: config, OnDaemonsWord: true, export: d.export}
	s := &image.Subject
	s.Reference, s.Source, s.Platform = d.reference, evidence.SourceDockerDaemon, platformOf(config)
	for _, t := range found.RepoTags {
		s.Tags = append(s.Tags, normalName(t))
	}
	slices.Sort(s.Tags)
	if !isImageID(ref) {
		s.Name = normalName(ref)
	} else if len(s.Tags) > 0 {
		s.Name = s.Tags[0]
	}
	if found.Descriptor != nil {
		d.media = types.MediaType(found.Descriptor.MediaType)
	}
	switch {
	case d.media.IsIndex():
		s.IndexDigest = d.id.String()
	case d.media.IsImage():
		s.Digest = d.id.String()
	default:
		s.ImageID = d.id.String()
	}
	for i, id := range config.RootFS.DiffIDs {
		image.Layers = append(image.Layers, &Layer{DiffID: id, name: id.String(), stored: d.layer(i)})
	}
	d.image = image
	images, err := d.choose([]*Image{image}, []evidence.Platform{s.Platform}, true)
	if err != nil {
		return nil, err
	}
	return &Set{Images: images, Source: s.Source, Name: s.Name, Digest: d.id.String()}, nil
}

// withAlgorithm: Podman's compatible API answers with bare hex digits.
func withAlgorithm(id string) string {
	if strings.Contains(id, ":") {
		return id
	}
	return "sha256:" + id
}

// explain tells a missing image from a daemon that does not answer.
func (d *daemon) explain(ref string, err error) error {
	if errdefs.IsNotFound(err) {
		return faultf(KindNotFound, "the Docker daemon at %s has no image %s: %w", d.host, ref, err).withHint(loadHint)
	}
	return faultf(KindNetwork, "the Docker daemon at %s does not answer properly: %w", d.host, err).
		withHint("is the daemon running, and may this user talk to it? " + loadHint)
}

// layer reads layer i out of the export, which the first caller begins.
func (d *daemon) layer(i int) func(context.Context) (io.ReadCloser, int64, error) {
	return func(ctx context.Context) (io.ReadCloser, int64, error) {
		x, err := d.begin()
		if err != nil {
			return nil, -1, err
		}
		name, place, err := x.early(ctx, d.image.Layers[i].DiffID)
		if err != nil {
			return nil, -1, err
		}
		if name != "" {
			digest, _ := blobDigest(name)
			r := &earlyLayer{r: io.NewSectionReader(x.file.at(ctx), place.offset, place.size), end: func() error { return d.confirm(ctx, x, i, place) }}
			return digested{io.NopCloser(r), digest}, place.size, nil
		}
		if err := d.await(ctx, x); err != nil {
			return nil, -1, err
		}
		l := x.exported.Layers[i]
		rc, size, err := l.stored(ctx)
		return digested{rc, l.Digest}, size, err
	}
}

// parseTime reads the daemon's time stamps, which may be missing.
func parseTime(s string) (v1.Time, error) {
	if s == "" {
		return v1.Time{}, nil
	}
	t, err := time.Parse(time.RFC3339Nano, s)
	if err != nil {
		return v1.Time{}, fmt.Errorf("creation time: %w", err)
	}
	return v1.Time{Time: t}, nil
}
