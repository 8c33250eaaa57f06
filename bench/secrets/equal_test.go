// SPDX-License-Identifier: Apache-2.0

package secrets

import (
	"bytes"
	"fmt"
	"io/fs"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"regexp/syntax"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
)

func differ(want, got []ftypes.Secret) string { return cmp.Diff(want, got) }

func TestRules(t *testing.T) {
	want, err := Export()
	if err != nil {
		t.Fatal(err)
	}
	got, err := os.ReadFile("../../pkg/scan/secret/rules.json")
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(want, got) {
		t.Errorf("pkg/scan/secret/rules.json is not what is in Trivy; run cmd/secretrules:\n%s", cmp.Diff(string(want), string(got)))
	}
}

const chunk, overlap = 64 << 10, 4 << 10

// layouts put secrets into files of several chunks.
var layouts = map[string]func(r *rand.Rand, secrets []string) string{
	"alone":    func(r *rand.Rand, s []string) string { return s[0] },
	"start":    func(r *rand.Rand, s []string) string { return s[0] + "\n" + filler(r, 5000, "\n") },
	"end":      func(r *rand.Rand, s []string) string { return filler(r, 6000, "\n") + " " + s[0] },
	"one line": func(r *rand.Rand, s []string) string { return "x " + strings.Join(s, " ; ") + " y\n" },
	"adjacent": func(r *rand.Rand, s []string) string { return strings.Join(s, "") },
	"CRLF": func(r *rand.Rand, s []string) string {
		return filler(r, 300, "\r\n") + strings.Join(s, "\r\n") + "\r\n" + filler(r, 100, "\r\n")
	},
	"long line": func(r *rand.Rand, s []string) string { return filler(r, 9000, " ") + s[0] + filler(r, 3000, " ") },
	"example":   func(r *rand.Rand, s []string) string { return "Example " + strings.Join(s, "eXample\n") + "\nexample" },
	"border": func(r *rand.Rand, s []string) string {
		at := chunk - r.IntN(len(s[0])+1)
		return filler(r, at, "\n") + s[0] + filler(r, 200, "\n")
	},
	"second border": func(r *rand.Rand, s []string) string {
		at := chunk + chunk - overlap - r.IntN(len(s[0])+1)
		return filler(r, at, "\n") + s[0] + filler(r, 5000, "\n")
	},
	"overlap": func(r *rand.Rand, s []string) string {
		text := filler(r, chunk-overlap-r.IntN(len(s[0])+1), "\n")
		for _, one := range s {
			text += one + filler(r, r.IntN(900), "\n")
		}
		return text + filler(r, overlap, "\n")
	},
	"tail": func(r *rand.Rand, s []string) string {
		rest := overlap - r.IntN(len(s[0])+1)
		text := s[0] + filler(r, overlap, " ")
		return filler(r, 7000, "\n") + "x" + text[:max(rest, len(s[0]))]
	},
	"word before": func(r *rand.Rand, s []string) string {
		return filler(r, 5000, "\n") + "x" + s[0] + "x" + filler(r, overlap-len(s[0])-1, "\n")
	},
}

func TestEveryRule(t *testing.T) {
	hit := map[string]bool{}
	cases := 0
	for n, rule := range original().Rules {
		tree, err := syntax.Parse(rule.Regex.String(), syntax.Perl)
		if err != nil {
			t.Fatal(err)
		}
		p := "app/config.txt"
		if rule.Path != nil {
			p = "app/settings.xml"
			if !rule.Path.MatchString(p) {
				p = "app/settings-security.xml"
			}
		}
		for name, layout := range layouts {
			r := rand.New(rand.NewPCG(uint64(n), uint64(len(name))))
			for range 2 {
				secrets := []string{generate(r, tree), generate(r, tree), generate(r, tree)}
				if r.IntN(3) == 0 {
					secrets[0] += " " + rule.Keywords[0]
				}
				text := []byte(layout(r, secrets))
				want := trivyFinds(t, p, text)
				for _, s := range want {
					for _, f := range s.Findings {
						hit[f.RuleID] = true
					}
				}
				cases++
				if diff := differ(want, oursFinds(t, p, text)); diff != "" {
					t.Errorf("%s, %s (-Trivy +ours): %s\n%.300q", rule.ID, name, diff, text)
				}
			}
		}
	}
	for _, rule := range original().Rules {
		if !hit[rule.ID] {
			t.Errorf("no case of rule %s", rule.ID)
		}
	}
	t.Logf("%d cases, %d of %d rules found something", cases, len(hit), len(original().Rules))
}

// TestRealFiles compares all files below the directories of OCIGATE_SECRET_DIRS (a list
// as PATH is); without it, a part of Trivy's own and of Go's sources.
func TestRealFiles(t *testing.T) {
	dirs, limit := filepath.SplitList(os.Getenv("OCIGATE_SECRET_DIRS")), int64(1)<<40
	if len(dirs) == 0 {
		out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
		if err != nil {
			t.Fatal(err)
		}
		dirs, limit = []string{filepath.Join(strings.TrimSpace(string(out)), "pkg"), filepath.Join(runtime.GOROOT(), "src", "crypto")}, 24<<20
	}
	for _, dir := range dirs {
		files, bytes, findings := 0, int64(0), 0
		err := filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || bytes > limit {
				return nil
			}
			b, err := os.ReadFile(p)
			if err != nil {
				return nil
			}
			rel, _ := filepath.Rel(dir, p)
			// Paths that are not searched would hide what is in the files.
			rel = "f" + strconv.Itoa(files) + filepath.Ext(rel)
			want := trivyFinds(t, rel, b)
			if diff := differ(want, oursFinds(t, rel, b)); diff != "" {
				t.Errorf("%s (-Trivy +ours): %s", p, diff)
			}
			if files++; !strings.ContainsRune(string(b[:min(len(b), 300)]), 0) {
				bytes += int64(len(b))
			}
			for _, s := range want {
				findings += len(s.Findings)
			}
			return nil
		})
		if err != nil {
			t.Fatal(err)
		}
		t.Logf("%s: %d files, %d MB, %d findings", dir, files, bytes>>20, findings)
	}
}

func FuzzFilterEqualsTrivy(f *testing.F) {
	for n, rule := range original().Rules {
		tree, err := syntax.Parse(rule.Regex.String(), syntax.Perl)
		if err != nil {
			f.Fatal(err)
		}
		r := rand.New(rand.NewPCG(uint64(n), 0))
		s := generate(r, tree)
		f.Add(s, uint32(0))
		f.Add(strings.NewReplacer("k", "\u212a", "s", "\u017f", "i", "\u0130").Replace(s), uint32(1))
		f.Add("x"+s, uint32(chunk-len(s)/2))
		f.Add(s+"x", uint32(chunk-overlap))
	}
	names := []string{"a", "settings.xml", "settings-security.xml", "a.pyc"}
	f.Fuzz(func(t *testing.T, text string, at uint32) {
		name := names[at%4]
		at %= 2 * chunk
		r := rand.New(rand.NewPCG(uint64(at), 1))
		b := []byte(filler(r, int(at), "\n") + text)
		if at%3 == 0 {
			b = append(b, filler(r, overlap, "\n")...)
		}
		if diff := differ(trivyFinds(t, name, b), oursFinds(t, name, b)); diff != "" {
			t.Errorf("%s (-Trivy +ours): %s", name, diff)
		}
	})
}

func TestWants(t *testing.T) {
	wants := ours.Analyzer().Wants
	required := func(p string, size int64) bool {
		s := original()
		return size >= 10 && !s.IsSkipped(p) && !s.AllowPath(p)
	}
	check := func(p string) {
		if want, got := required(p, 10), wants(p, info{filepath.Base(p), 10}); want != got {
			t.Errorf("%q: Trivy's analyser says %v, ours %v", p, want, got)
		}
	}
	for _, size := range []int64{0, 9, 10} {
		if want, got := required("a", size), wants("a", info{"a", size}); want != got {
			t.Errorf("size %d: %v, %v", size, want, got)
		}
	}
	parts := []string{"usr", "share", "include", "lib", "local", "go", "python", "3.11", "src", "wordpress", "var", "log", "anaconda",
		"opt", "yarn-v", "1.22", "test", "TEST", "te\u017ft", "-", "_", ".", "tests", "example", "Example", "vendor", "locale", "locales", "md",
		".md", ".git", "git", "node_modules", "go.mod", "go.sum", "package-lock.json", "yarn.lock", "pnpm-lock.yaml", "Pipfile.lock",
		"Gemfile.lock", ".jpg", ".png", ".gif", ".doc", ".pdf", ".bin", ".svg", ".socket", ".deb", ".rpm", ".zip", ".gz", ".gzip", ".tar",
		".dist-info", "dist-info", "gems", "x", "a.txt", "\n", "\xff", "\xc5", "\u212a", "\u0130", " ", "*", "\\"}
	r := rand.New(rand.NewPCG(1, 2))
	for range 200_000 {
		var b strings.Builder
		for i := range 1 + r.IntN(7) {
			if i > 0 && r.IntN(3) > 0 {
				b.WriteByte('/')
			}
			b.WriteString(parts[r.IntN(len(parts))])
		}
		check(b.String())
	}
	n := 0
	for _, dir := range []string{"/usr", "/etc", "/var/lib", "/opt", runtime.GOROOT()} {
		_ = filepath.WalkDir(dir, func(p string, d fs.DirEntry, err error) error {
			if n++; err == nil && n < 100_000 {
				check(strings.TrimPrefix(p, "/"))
			}
			return nil
		})
	}
	t.Log(fmt.Sprint(n, " real paths"))
}
