// SPDX-License-Identifier: Apache-2.0

package image

import (
	"cmp"
	"maps"
	"path"
	"slices"
	"strconv"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/credential"
)

// KnownSecret is a value that is known to be a credential, and the rule that says so.
type KnownSecret = credential.Known

// SecretHash is what is kept of a secret's value: equal hashes in one report are one
// secret, and no hash is worth anything for another image.
func SecretHash(s evidence.Subject, value string) string { return credential.Hash(salt(s), value) }

func salt(s evidence.Subject) string { return cmp.Or(s.Digest, s.ImageID) }

// Facts is what the configuration and the manifest's annotations say. Values that
// look like credentials are masked wherever they stand; known are values that
// somebody else found to be such. Errors are *Error, and mean that the configuration
// is too large to be searched.
func Facts(img *Image, known []KnownSecret) (*evidence.Config, error) {
	c := img.Config.Config
	m := credential.New(salt(img.Subject), known)
	out := &evidence.Config{
		Entrypoint: slices.Clone(c.Entrypoint), Cmd: slices.Clone(c.Cmd),
		WorkingDir: c.WorkingDir, StopSignal: c.StopSignal,
		Ports: portsOf(c.ExposedPorts), Volumes: volumesOf(c.Volumes),
		OnBuild: slices.Clone(c.OnBuild), History: historyFacts(img.Config.History),
	}
	m.Words("entrypoint", out.Entrypoint)
	m.Words("cmd", out.Cmd)
	if c.Healthcheck != nil && len(c.Healthcheck.Test) > 0 {
		out.Healthcheck = &evidence.Healthcheck{Test: slices.Clone(c.Healthcheck.Test)}
		m.Words("healthcheck", out.Healthcheck.Test)
	}
	for _, e := range c.Env {
		name, value, _ := strings.Cut(e, "=")
		out.Env = append(out.Env, evidence.EnvVar{Name: name, Value: value})
	}
	for i := range out.Env {
		m.Named("env", &out.Env[i].Name, &out.Env[i].Value)
	}
	labels, annotations := m.Mapping("label", c.Labels), m.Mapping("annotation", img.Annotations)
	for i := range out.OnBuild {
		m.Instruction("onbuild", strconv.Itoa(i+1), &out.OnBuild[i])
	}
	for i := range out.History {
		m.Instruction("history", strconv.Itoa(i+1), &out.History[i].CreatedBy)
		m.Text("history", strconv.Itoa(i+1), &out.History[i].Comment)
	}
	for i := range out.Volumes {
		m.Text("", "", &out.Volumes[i])
	}
	for i := range out.Ports {
		m.Text("", "", &out.Ports[i].Raw)
	}
	m.Text("", "", &out.WorkingDir)
	m.Text("", "", &out.StopSignal)
	if m.TooLarge() {
		return nil, toError("read", img.Subject.Reference,
			faultf(KindLimit, "the image configuration has more than %d texts, %d bytes or %d credentials, too many to search", credential.MaxTexts, credential.MaxBytes, credential.MaxSecrets))
	}
	out.Credentials = m.Mask()
	out.Labels, out.Annotations = labels(), annotations()
	return out, nil
}

func historyFacts(in []v1.History) []evidence.HistoryEntry {
	var out []evidence.HistoryEntry
	for _, h := range in {
		e := evidence.HistoryEntry{CreatedBy: h.CreatedBy, Comment: h.Comment, EmptyLayer: h.EmptyLayer}
		if t := h.Created.Time; !t.IsZero() {
			e.Created = new(t.UTC().Truncate(time.Second))
		}
		out = append(out, e)
	}
	return out
}

// LayerSteps are the steps of the history that made the layers, one for each; nil
// where the history does not account for every layer.
func LayerSteps(c *evidence.Config, layers int) []string {
	var steps []string
	if c != nil {
		for _, h := range c.History {
			if !h.EmptyLayer {
				steps = append(steps, h.CreatedBy)
			}
		}
	}
	if len(steps) != layers {
		return nil
	}
	return steps
}

// volumesOf cleans the mount points as a runtime does.
func volumesOf(in map[string]struct{}) []string {
	var out []string
	for v := range in {
		out = append(out, path.Clean("/"+v))
	}
	slices.Sort(out)
	return slices.Compact(out)
}

func portsOf(in map[string]struct{}) []evidence.Port {
	var out []evidence.Port
	for _, raw := range slices.Sorted(maps.Keys(in)) {
		out = append(out, parsePort(raw))
	}
	slices.SortStableFunc(out, func(a, b evidence.Port) int {
		return cmp.Or(cmp.Compare(a.First, b.First), cmp.Compare(a.Last, b.Last), cmp.Compare(a.Protocol, b.Protocol))
	})
	return out
}

// parsePort reads "80", "80/tcp" and "8000-8010/udp". Of anything else only the
// text remains.
func parsePort(raw string) evidence.Port {
	bad := evidence.Port{Raw: raw}
	numbers, protocol, _ := strings.Cut(raw, "/")
	protocol = strings.ToLower(cmp.Or(protocol, "tcp"))
	if !slices.Contains([]string{"tcp", "udp", "sctp"}, protocol) {
		return bad
	}
	low, high, isRange := strings.Cut(numbers, "-")
	if !isRange {
		high = low
	}
	first, err1 := strconv.ParseUint(low, 10, 16)
	last, err2 := strconv.ParseUint(high, 10, 16)
	if err1 != nil || err2 != nil || first == 0 || last < first {
		return bad
	}
	return evidence.Port{First: int(first), Last: int(last), Protocol: protocol, Raw: raw}
}
