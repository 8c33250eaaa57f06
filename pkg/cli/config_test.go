// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"errors"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/sharedtest"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func shared(t *testing.T, name string) string { return sharedtest.File(t, "images", name) }

const hardened = `version: 1
name: hardened
database: {max-age: 520w}
coverage: {os: optional, packages: optional}
rules:
  config:
    - {id: user, user: numeric-non-root}
    - {id: ports, ports: {min: 1024, forbidden: [22]}}
    - {id: credentials, env-secrets: forbidden}
    - {id: add, history: {forbidden: ["^ADD "], accept: ["^ADD \\S+ in / *$"]}}
    - {id: health, healthcheck: required}
    - {id: command, entrypoint: required, exec-form: required}
    - {id: label, labels: {values: {org.opencontainers.image.source: "https://.*"}}}
    - {id: rest, onbuild: forbidden, volumes: {forbidden: [/**]}, architectures: [amd64], created: {reproducible: refuse}}
  runtime:
    - {id: bare, read-only-root: required, capabilities: none, non-root: required, no-new-privileges: required}
`

// TestConfigOfRealImages judges configurations whose content is known, and looks for
// planted secrets in all that is written.
func TestConfigOfRealImages(t *testing.T) {
	truth, err := os.ReadFile(shared(t, "planted-truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var secrets map[string]string
	if err := json.Unmarshal(truth, &secrets); err != nil {
		t.Fatal(err)
	}
	secrets["env"] = "hunter2"
	p := newProcess(t)
	if err := os.WriteFile(p.policy, []byte(hardened), 0o600); err != nil {
		t.Fatal(err)
	}
	for image, failing := range map[string]string{
		"hardened-clean.oci.tar": "",
		"planted.oci.tar":        "user ports credentials add health command label bare",
	} {
		report, profile := filepath.Join(t.TempDir(), "report.json"), filepath.Join(t.TempDir(), "runtime.yaml")
		cmd, out, errs := p.command("oci-archive:"+shared(t, image), "--output", "text", "--output", "json="+report, "--output", "runtime="+profile)
		// The small database knows nothing of Go, so that the clean image is no pass.
		var exit *exec.ExitError
		if err := cmd.Run(); !errors.As(err, &exit) || exit.ExitCode() != map[bool]int{true: 3, false: 1}[failing == ""] {
			t.Errorf("%s: %v: %s%s", image, err, out, errs)
		}
		written := out.String() + errs.String()
		var v verdict.Verdict
		for _, path := range []string{report, profile} {
			b, err := os.ReadFile(path)
			if err != nil {
				t.Fatal(err)
			}
			written += string(b)
			if path == report {
				if err := json.Unmarshal(b, &v); err != nil {
					t.Fatal(err)
				}
			}
		}
		for name, secret := range secrets {
			if strings.Contains(written, secret) {
				t.Errorf("%s: %s is shown", image, name)
			}
		}
		var got []string
		for _, o := range v.Subjects[0].Outcomes {
			switch {
			case o.Result == verdict.Fail:
				got = append(got, o.Rule)
			case o.Group != verdict.GroupBuiltin && o.Result != verdict.Pass:
				t.Errorf("%s: %s: %s (%s)", image, o.Rule, o.Result, o.Summary)
			}
		}
		if strings.Join(got, " ") != failing {
			t.Errorf("%s fails %q, want %q", image, got, failing)
		}
		ev := v.Subjects[0].Evidence
		if ev.Layers[len(ev.Layers)-1].CreatedBy == "" {
			t.Errorf("%s: layers without their steps: %+v", image, ev.Layers)
		}
		for _, f := range ev.Findings {
			if f.Kind == evidence.KindSecret && (f.Path == "image config") != (f.Hash != "") {
				t.Errorf("%s: hash %q of %s in %s", image, f.Hash, f.ID, f.Path)
			}
		}
		if !strings.Contains(written, "docker run --read-only --cap-drop=ALL") {
			t.Errorf("%s: no profile", image)
		}
	}
}
