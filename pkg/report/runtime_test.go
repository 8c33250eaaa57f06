// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"errors"
	"fmt"
	"io"
	"os/exec"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"go.yaml.in/yaml/v3"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type runtimeDocument struct {
	Image, Platform, Verdict, Docker, Error string
	Kubernetes                              struct {
		Spec struct {
			SecurityContext map[string]any `yaml:"securityContext"`
			Containers      []struct {
				Name, Image     string
				SecurityContext map[string]any      `yaml:"securityContext"`
				VolumeMounts    []map[string]string `yaml:"volumeMounts"`
			}
			Volumes []map[string]any
		}
	}
	Because  []map[string]string
	NotKnown []string `yaml:"notKnown"`
}

func runtimeDocuments(t *testing.T, v verdict.Verdict) (string, []runtimeDocument) {
	t.Helper()
	var b strings.Builder
	if err := report.Runtime(&b, v, report.Options{}); err != nil {
		t.Fatal(err)
	}
	d := yaml.NewDecoder(strings.NewReader(b.String()))
	d.KnownFields(true)
	var docs []runtimeDocument
	for {
		var doc runtimeDocument
		if err := d.Decode(&doc); errors.Is(err, io.EOF) {
			return b.String(), docs
		} else if err != nil {
			t.Fatalf("%v in\n%s", err, b.String())
		}
		docs = append(docs, doc)
	}
}

func runnable(ref string, change func(*evidence.Evidence)) evidence.Evidence {
	ev := image(ref)
	ev.Waste = &evidence.Waste{}
	ev.Image.Config = &evidence.Config{
		Entrypoint: []string{"nginx"}, Volumes: []string{"/data", "/var/cache/nginx"},
		Ports: []evidence.Port{{First: 80, Last: 80, Protocol: "tcp", Raw: "80/tcp"}},
	}
	if change != nil {
		change(&ev)
	}
	return ev
}

func TestRuntimeProfile(t *testing.T) {
	root := runnable("shop:1.2", func(ev *evidence.Evidence) {
		ev.Image.User = evidence.User{Configured: "root", UID: ptr(int64(0)), GID: ptr(int64(0))}
		ev.Image.Config = &evidence.Config{}
		ev.Subject.Source, ev.Subject.Platform.Architecture = evidence.SourceDockerArchive, "arm64"
	})
	unread := image("shop:1.2")
	_, docs := runtimeDocuments(t, run("shop:1.2", nil, runnable("shop:1.2", nil), root, unread))
	if len(docs) != 3 {
		t.Fatalf("%d documents", len(docs))
	}
	want := "docker run --read-only --cap-drop=ALL --cap-add=NET_BIND_SERVICE --security-opt=no-new-privileges --user=1000:1000 " +
		"--mount=type=volume,destination=/data --mount=type=volume,destination=/var/cache/nginx --mount=type=tmpfs,destination=/var/run " +
		"docker.io/library/shop:1.2@" + sha("a")
	if diff := cmp.Diff(want, docs[0].Docker); diff != "" {
		t.Error(diff)
	}
	spec := docs[0].Kubernetes.Spec
	if diff := cmp.Diff(map[string]any{"runAsNonRoot": true, "runAsUser": 1000, "runAsGroup": 1000, "seccompProfile": map[string]any{"type": "RuntimeDefault"}}, spec.SecurityContext); diff != "" {
		t.Error(diff)
	}
	container := spec.Containers[0]
	if diff := cmp.Diff(map[string]any{
		"allowPrivilegeEscalation": false, "readOnlyRootFilesystem": true,
		"capabilities": map[string]any{"drop": []any{"ALL"}, "add": []any{"NET_BIND_SERVICE"}},
	}, container.SecurityContext); diff != "" {
		t.Error(diff)
	}
	if len(container.VolumeMounts) != 3 || len(spec.Volumes) != 3 || container.VolumeMounts[2]["mountPath"] != "/var/run" || container.VolumeMounts[2]["name"] != spec.Volumes[2]["name"] {
		t.Errorf("%v %v", container.VolumeMounts, spec.Volumes)
	}
	if b := docs[0].Because[2]; b["basis"] != "likely" || !strings.Contains(b["reason"], "nginx") {
		t.Errorf("%v", docs[0].Because)
	}
	if !strings.Contains(docs[1].Docker, "--user=0:0 docker.io/library/shop:1.2") || strings.Contains(docs[1].Docker, "@") ||
		docs[1].Kubernetes.Spec.SecurityContext["runAsNonRoot"] != nil || !strings.Contains(strings.Join(docs[1].NotKnown, ";"), "as root") {
		t.Errorf("%+v", docs[1])
	}
	if docs[2].Error == "" || docs[2].Docker != "" {
		t.Errorf("%+v", docs[2])
	}
	if _, docs := runtimeDocuments(t, verdict.Verdict{Reference: "x"}); len(docs) != 1 || docs[0].Error == "" {
		t.Errorf("%+v", docs)
	}
}

// TestRuntimeHostile: what an image says is never a command, an option or a key.
func TestRuntimeHostile(t *testing.T) {
	nasty := []string{
		"/a b", "/$(touch pwned)", "/`id`", "/'; touch pwned; '", `/"x",readonly`, "/a,b=c", "/x: y", "/#c", "/{a: b}", "/!tag", "/&a", "/*", "/ü",
		"/a\nb: c", "/a\r::error::x", "/\x1b[2J", "/\u202egnp", "/##[group]x", "/\xff", "/", "/a/../b", "/\\", "/%s", "/~", "/yes",
	}
	for _, name := range append(slices.Clone(nasty), "-v", "--privileged", "x --privileged", "::error::x", "a\n---\nb") {
		ev := runnable("shop", func(ev *evidence.Evidence) {
			ev.Image.Config.Volumes = nasty
			ev.Image.Config.Ports = []evidence.Port{{First: 80, Last: 80, Protocol: "tcp", Raw: name}}
			ev.Image.Config.Env = []evidence.EnvVar{{Name: "TMPDIR", Value: "/env" + name}}
			ev.Image.Config.Entrypoint = []string{name}
			ev.Image.User = evidence.User{Configured: name, Reason: name}
			ev.Subject.Name, ev.Subject.Reference, ev.Subject.Source = name, name, evidence.Source(name)
			ev.Files = []evidence.File{{Path: strings.TrimPrefix(name, "/"), Kind: evidence.FileRegular, Mode: 0o4755, Capabilities: []string{"cap_" + name}}}
		})
		text, docs := runtimeDocuments(t, run(name, nil, ev))
		for line := range strings.SplitSeq(text, "\n") {
			if line != escape.Line(line) || strings.Contains(line, "##[") {
				t.Errorf("%q is not fit for a screen", line)
			}
		}
		if len(docs) != 1 {
			t.Fatalf("%q makes %d documents", name, len(docs))
		}
		out, err := exec.CommandContext(t.Context(), "sh", "-c", "set -f; set -- "+docs[0].Docker+`; printf '%s\n' "$@"`).CombinedOutput()
		if err != nil {
			t.Fatalf("%v: %s\n%s", err, out, docs[0].Docker)
		}
		words := strings.Split(strings.TrimSuffix(string(out), "\n"), "\n")
		last := words[len(words)-1]
		if want := runName(name); last != want {
			t.Errorf("the image is %q, want %q", last, want)
		}
		for _, w := range words[2 : len(words)-1] {
			if !strings.HasPrefix(w, "--cap-") && !strings.HasPrefix(w, "--mount=type=") && w != "--read-only" && w != "--security-opt=no-new-privileges" {
				t.Errorf("%q is an option by %q", w, name)
			}
		}
		for _, path := range []string{"/a b", "/$(touch pwned)", "/'; touch pwned; '", "/x: y", "/ü"} {
			if !slices.ContainsFunc(docs[0].Kubernetes.Spec.Containers[0].VolumeMounts, func(m map[string]string) bool { return m["mountPath"] == path }) ||
				!slices.Contains(words, "--mount=type=volume,destination="+path) {
				t.Errorf("%q is not mounted", path)
			}
		}
		if !slices.Contains(words, `--mount=type=volume,"destination=/""x"",readonly"`) {
			t.Errorf("commas are not quoted: %q", words)
		}
	}
}

// runName is what must become of a hostile name.
func runName(name string) string {
	if name[0] == '-' || escape.Text(name) != name || escape.Line(name) != name {
		return "IMAGE"
	}
	return name
}

func TestRuntimeIsDeterministic(t *testing.T) {
	v := run("shop:1", nil, runnable("shop:1", nil))
	first, _ := runtimeDocuments(t, v)
	second, _ := runtimeDocuments(t, v)
	if first != second {
		t.Error(fmt.Sprint("two runs differ: ", cmp.Diff(first, second)))
	}
}
