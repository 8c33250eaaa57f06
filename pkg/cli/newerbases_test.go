// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// alpineRelease is the layer of a release with openssl and busybox of these versions.
func alpineRelease(release, openssl, busybox string) *imagetest.Layer {
	return imagetest.NewLayer(imagetest.Gzip,
		imagetest.File{Name: "etc/os-release", Body: "ID=alpine\nVERSION_ID=" + release + "\n"},
		imagetest.File{Name: "etc/alpine-release", Body: release + "\n"},
		imagetest.File{Name: "lib/apk/db/installed", Body: installed("openssl", openssl) + installed("busybox", busybox)})
}

func installed(name, version string) string {
	return "P:" + name + "\nV:" + version + "\nA:x86_64\no:" + name + "\n\n"
}

// fixAdvisories are 14 of openssl, one of busybox that 3.20 has not fixed, and one of
// curl that nobody has.
func fixAdvisories() []byte {
	var b strings.Builder
	var ids []string
	b.WriteString("- bucket: alpine 3.20\n  pairs:\n    - bucket: openssl\n      pairs:\n")
	for i := range 14 {
		ids = append(ids, fmt.Sprintf("CVE-2099-1%03d", i))
		fmt.Fprintf(&b, "        - key: %s\n          value: {FixedVersion: 3.3.2-r4}\n", ids[i])
	}
	b.WriteString("    - bucket: busybox\n      pairs:\n        - key: CVE-2099-0001\n          value: {FixedVersion: 1.36.1-r99}\n")
	b.WriteString("    - bucket: curl\n      pairs:\n        - key: CVE-2099-0002\n          value: {FixedVersion: 8.12.1-r1}\n")
	b.WriteString("- bucket: alpine 3.21\n  pairs:\n    - bucket: zlib\n      pairs:\n        - key: CVE-2099-0003\n          value: {FixedVersion: 9-r0}\n")
	b.WriteString("- bucket: data-source\n  pairs:\n    - key: alpine 3.20\n      value: {ID: alpine, Name: Alpine Secdb, URL: \"https://secdb.alpinelinux.org/\"}\n" +
		"    - key: alpine 3.21\n      value: {ID: alpine, Name: Alpine Secdb, URL: \"https://secdb.alpinelinux.org/\"}\n- bucket: vulnerability\n  pairs:\n")
	for _, id := range append(ids, "CVE-2099-0001", "CVE-2099-0002", "CVE-2099-0003") {
		fmt.Fprintf(&b, "    - key: %s\n      value: {Title: invented, Severity: HIGH, VendorSeverity: {nvd: 3}}\n", id)
	}
	return []byte(b.String())
}

// fixWorld is a registry with releases of a base and an image on one of them.
type fixWorld struct {
	*process
	reg       *imagetest.Registry
	base, app string
}

func newFixWorld(t *testing.T) *fixWorld {
	w := &fixWorld{process: newProcess(t), reg: imagetest.NewRegistry(t)}
	w.db = dbtest.New(t, dbtest.Spec{Documents: [][]byte{fixAdvisories()}})
	old := alpineRelease("3.20.3", "3.3.2-r0", "1.36.1-r29")
	for tag, l := range map[string]*imagetest.Layer{
		"3.20.3": old, "3.20.7": alpineRelease("3.20.7", "3.3.2-r3", "1.36.1-r30"), "3.20.8": alpineRelease("3.20.8", "3.3.2-r4", "1.36.1-r31"),
		"3.21.3": alpineRelease("3.21.3", "3.3.3-r0", "1.37.0-r9"), "3.20.9-rc1": old, "3.20.9_rc1": old, "3.20.9-slim": old,
		"3.19.9": old, "edge": old, "latest": old, "20240923": old, "3.20": old,
	} {
		w.reg.Push("library/alpine", tag, imagetest.NewImage(l))
	}
	w.base = w.reg.Host + "/library/alpine:3.20.3"
	w.app = "registry:" + w.reg.Push("apps/shop", "1", imagetest.NewImage(old, imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "app/main", Body: "app"})))
	return w
}

// check returns the exit code, the text report and what was written as --output fixes.
func (w *fixWorld) check(args ...string) (code int, text string, fixes report.FixesDocument) {
	w.t.Helper()
	path := filepath.Join(w.t.TempDir(), "fixes.json")
	// A day on which these releases are maintained.
	cmd, out, errs := w.command(append([]string{w.app, "--effective-time", "2026-01-05", "--allow-past", "--output", "text", "--output", "fixes=" + path}, args...)...)
	_ = cmd.Run() // the exit code says it
	data, err := os.ReadFile(path)
	if err != nil {
		w.t.Fatalf("%v\n%s%s", err, out, errs)
	}
	if err := json.Unmarshal(data, &fixes); err != nil {
		w.t.Fatal(err)
	}
	return cmd.ProcessState.ExitCode(), out.String(), fixes
}

func (w *fixWorld) listed() int {
	return len(slices.DeleteFunc(w.reg.Requests(), func(s string) bool { return !strings.Contains(s, "/tags/list") }))
}

func kinds(d report.FixesDocument) string {
	var s []string
	for _, a := range d.Subjects[0].Actions {
		s = append(s, fmt.Sprintf("%s %s %d/%d", a.Kind, a.To, len(a.Clears), a.Remains))
	}
	return strings.Join(s, ", ")
}

// TestNewerBase: the sentence that a red report ends with.
func TestNewerBase(t *testing.T) {
	w := newFixWorld(t)
	code, text, fixes := w.check("--base", w.base)
	if code != 1 {
		t.Fatalf("exit code %d\n%s", code, text)
	}
	for _, want := range []string{
		"library/alpine 3.20.3 → 3.20.8 clears 14 of 15", "FROM " + w.reg.Host + "/library/alpine:3.20.8",
		"library/alpine 3.20.3 → 3.21.3 (a bigger step: minor) clears 15 of 15",
		"apk add --no-cache --upgrade 'busybox>=1.36.1-r99'", "comes with the base",
	} {
		if !strings.Contains(text, want) {
			t.Errorf("the report does not say %q:\n%s", want, text)
		}
	}
	if strings.Contains(text, "ocigate waiver add") || strings.Contains(text, "'openssl>=") {
		t.Errorf("proposes what a newer base does:\n%s", text)
	}
	if got, want := kinds(fixes), "base 3.20.8 14/1, base 3.21.3 15/0, upgrade 1.36.1-r99 1/14"; got != want {
		t.Errorf("%s, want %s", got, want)
	}
	if a := fixes.Subjects[0].Actions[0]; a.Step != verdict.StepPatch || a.Digest == "" || a.From != "3.20.3" {
		t.Errorf("%+v", a)
	}
	if _, again, _ := w.check("--base", w.base); again != text {
		t.Errorf("two runs differ:\n%s\n%s", text, again)
	}
	if w.listed() != 2 {
		t.Errorf("tags were listed %d times in two runs", w.listed())
	}
}

// TestNoLookup: what keeps the registry from being asked.
func TestNoLookup(t *testing.T) {
	w := newFixWorld(t)
	for name, args := range map[string][]string{
		"switched off": {"--base", w.base, "--no-fix-lookup"},
		"offline":      {"--base", w.base, "--offline"},
		"no base":      nil,
		// The Dockerfile is the repository's: only the policy could name the host.
		"not approved": {"--dockerfile", writeFile(t, "Dockerfile", "FROM "+w.base+"\nCOPY main /app/\n")},
	} {
		before := len(w.reg.Requests())
		code, text, fixes := w.check(args...)
		if code != 1 || strings.Contains(text, "3.20.8") || !strings.Contains(text, "'openssl>=3.3.2-r4'") {
			t.Errorf("%s: exit code %d\n%s", name, code, text)
		}
		for _, r := range w.reg.Requests()[before:] {
			if strings.Contains(r, "/tags/list") || name != "switched off" && name != "offline" && strings.Contains(r, "library/alpine") {
				t.Errorf("%s: %s", name, r)
			}
		}
		if len(fixes.Subjects[0].Actions) != 2 {
			t.Errorf("%s: %s", name, kinds(fixes))
		}
	}
}

func writeFile(t *testing.T, name, text string) string {
	t.Helper()
	return filepath.Join(tree(t, map[string]string{name: text}), name)
}

// TestLookupApproved: a base that the policy names is looked up, and only what it approves
// is proposed.
func TestLookupApproved(t *testing.T) {
	w := newFixWorld(t)
	dockerfile := writeFile(t, "Dockerfile", "FROM "+w.base+"\nCOPY main /app/\n")
	for pattern, want := range map[string]string{
		"/library/alpine:3.20.*": "base 3.20.8 14/1", "/library/alpine": "base 3.20.8 14/1, base 3.21.3 15/0", "/library/alpine:3.20.3": "",
	} {
		policy := strings.Replace(processPolicy, "rules:", "rules:\n  base: [{id: approved, images: [\""+w.reg.Host+pattern+"\"]}]", 1)
		if err := os.WriteFile(w.policy, []byte(policy), 0o600); err != nil {
			t.Fatal(err)
		}
		code, text, fixes := w.check("--dockerfile", dockerfile)
		got := kinds(fixes)
		if code != 1 || !strings.HasPrefix(got, want) || want == "" && !strings.Contains(text, "could not look up newer tags: the policy approves none") {
			t.Errorf("%s: %s, want %s\n%s", pattern, got, want, text)
		}
		if strings.Count(got, "base") != strings.Count(want, "base") {
			t.Errorf("%s: %s", pattern, got)
		}
		if want != "" && !strings.Contains(text, "(line 1 of the Dockerfile)") {
			t.Errorf("%s: no line\n%s", pattern, text)
		}
	}
}

// TestRebuild: the tag of the base has moved on since the build.
func TestRebuild(t *testing.T) {
	w := newFixWorld(t)
	built := imagetest.DigestOf(imagetest.NewImage(alpineRelease("3.20.3", "3.3.2-r0", "1.36.1-r29"))).String()
	w.reg.Push("library/alpine", "3.20", imagetest.NewImage(alpineRelease("3.20.8", "3.3.2-r4", "1.36.1-r31")))
	code, text, fixes := w.check("--base", w.reg.Host+"/library/alpine:3.20@"+built)
	if code != 1 || !strings.HasPrefix(kinds(fixes), "rebuild 3.20 14/1") {
		t.Errorf("exit code %d, %s\n%s", code, kinds(fixes), text)
	}
	a := fixes.Subjects[0].Actions[0]
	if want := "FROM " + w.reg.Host + "/library/alpine:3.20@" + a.Digest; a.Edit != want || a.Digest == built {
		t.Errorf("edit %q, want %q", a.Edit, want)
	}
	if !strings.Contains(text, "rebuild: ") || !strings.Contains(text, "is a newer image now clears 14 of 15") {
		t.Error(text)
	}
}

// TestLookupFails: whatever the registry does, the verdict and the exit code stay.
func TestLookupFails(t *testing.T) {
	elsewhere := imagetest.NewRegistry(t)
	lists := 0
	many := make([]string, 30_000)
	for i := range many {
		many[i] = fmt.Sprintf("3.20.%d-x", i)
	}
	page, err := json.Marshal(map[string]any{"tags": many})
	if err != nil {
		t.Fatal(err)
	}
	answers := map[string]struct {
		answer func(http.ResponseWriter, *http.Request)
		says   string
	}{
		"down": {func(rw http.ResponseWriter, _ *http.Request) {
			http.Error(rw, "::error::x", http.StatusInternalServerError)
		}, "answers 500"},
		"forbidden": {func(rw http.ResponseWriter, _ *http.Request) { http.Error(rw, `{}`, http.StatusForbidden) }, "answers 403"},
		"no JSON":   {func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, "<html>") }, "no JSON"},
		"endless": {func(rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(rw, `{"tags":["`+strings.Repeat("a", 5<<20)+`"]}`)
		}, "too long"},
		"cut off": {func(http.ResponseWriter, *http.Request) { panic(http.ErrAbortHandler) }, "could not look up newer tags"},
		"redirect": {func(rw http.ResponseWriter, r *http.Request) {
			http.Redirect(rw, r, "http://"+elsewhere.Host+r.URL.Path, http.StatusFound)
		}, "redirects"},
		"next is gone": {func(rw http.ResponseWriter, r *http.Request) {
			rw.Header().Set("Link", "<http://"+elsewhere.Host+r.URL.Path+`>; rel="next"`)
			fmt.Fprint(rw, `{"tags":["1"]}`)
		}, "somewhere else"},
		"no end": {func(rw http.ResponseWriter, r *http.Request) {
			lists++
			rw.Header().Set("Link", "<"+r.URL.Path+`?last=x>; rel="next"`)
			fmt.Fprint(rw, `{"tags":["1"]}`)
		}, "more tags than are looked at"},
		"many": {func(rw http.ResponseWriter, _ *http.Request) { _, _ = rw.Write(page) }, "To clear the gate"},
		"hostile": {func(rw http.ResponseWriter, _ *http.Request) {
			fmt.Fprint(rw, `{"tags":["3.20.9\n::error::x","3.20.99999999999999999999","3.20.4;reboot","../x","3.20.\u202e9"]}`)
		}, "To clear the gate"},
		"missing": {func(rw http.ResponseWriter, _ *http.Request) { fmt.Fprint(rw, `{"tags":["3.20.9"]}`) }, "not known what it clears"},
	}
	for name, c := range answers {
		t.Run(name, func(t *testing.T) {
			w := newFixWorld(t)
			w.reg.Handle = func(rw http.ResponseWriter, r *http.Request) bool {
				if !strings.HasSuffix(r.URL.Path, "/tags/list") {
					return false
				}
				c.answer(rw, r)
				return true
			}
			code, text, fixes := w.check("--base", w.base)
			if code != 1 || fixes.Status != verdict.Failed || !strings.Contains(text, c.says) {
				t.Errorf("exit code %d, not %q\n%s", code, c.says, text)
			}
			if !strings.Contains(text, "'openssl>=3.3.2-r4'") {
				t.Errorf("no upgrade is proposed\n%s", text)
			}
			if strings.HasPrefix(c.says, "answers") && !strings.Contains(fixes.Subjects[0].LookupProblem, c.says) {
				t.Errorf("in JSON: %q", fixes.Subjects[0].LookupProblem)
			}
			if strings.Contains(text, "\n::") || strings.Contains(text, "reboot") {
				t.Error(text)
			}
		})
	}
	if got := elsewhere.Requests(); len(got) > 0 {
		t.Errorf("another host was asked: %v", got)
	}
	if lists != 10 {
		t.Errorf("%d pages were asked for", lists)
	}
}

// TestWhatTheApplicationInstalls is upgraded there, by the layer that brought it.
func TestWhatTheApplicationInstalls(t *testing.T) {
	w := newFixWorld(t)
	old := alpineRelease("3.20.3", "3.3.2-r0", "1.36.1-r29")
	curl := imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "lib/apk/db/installed",
		Body: installed("openssl", "3.3.2-r0") + installed("busybox", "1.36.1-r29") + installed("curl", "8.11.0-r0")})
	w.app = "registry:" + w.reg.Push("apps/shop", "2", imagetest.NewImage(old, curl))
	code, text, fixes := w.check("--base", w.base)
	if got, want := kinds(fixes), "base 3.20.8 14/2, base 3.21.3 15/1, upgrade 1.36.1-r99 1/15, upgrade 8.12.1-r1 1/15"; code != 1 || got != want {
		t.Errorf("%s, want %s", got, want)
	}
	a := fixes.Subjects[0].Actions[3]
	if a.Layer == nil || a.Layer.Number != 2 || a.Layer.DiffID == "" || a.Origin != "" || !strings.Contains(text, "in layer 2 of 2") {
		t.Errorf("%+v\n%s", a, text)
	}
}

// TestProposedWaiver: what the report says to type does what it says.
func TestProposedWaiver(t *testing.T) {
	now := time.Now().UTC().Truncate(time.Second)
	ev := evidence.Evidence{Findings: []evidence.Finding{{Kind: evidence.KindVulnerability, ID: "CVE-2099-0009", Severity: evidence.SeverityHigh,
		Package: &evidence.Package{Name: "curl", Version: "1", Type: "debian", Class: evidence.ClassOS}}}}
	pol, err := policy.Parse("policy.yaml", []byte(processPolicy))
	if err != nil {
		t.Fatal(err)
	}
	v := verdict.Decide(verdict.Input{Policy: pol, Reference: "x", Evidence: []evidence.Evidence{ev}, EffectiveTime: now})
	dir := t.TempDir()
	t.Chdir(dir)
	f, err := os.Create("verdict.json")
	if err != nil {
		t.Fatal(err)
	}
	if err := errors.Join(report.JSON(f, v, report.Options{}), f.Close()); err != nil {
		t.Fatal(err)
	}
	actions := v.Subjects[0].Plan.Actions
	words := strings.Fields(actions[len(actions)-1].Command)
	if len(words) == 0 || words[0] != "ocigate" {
		t.Fatalf("%+v", actions)
	}
	if code, out, errs := run(map[string]string{"HOME": dir}, words[1:]...); code != 0 {
		t.Fatalf("exit code %d: %s%s", code, out, errs)
	}
	text, err := os.ReadFile("waivers.yaml")
	if err != nil || !strings.Contains(string(text), "CVE-2099-0009") || !strings.Contains(string(text), "curl") {
		t.Errorf("%v: %s", err, text)
	}
}
