// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"bytes"
	"fmt"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/fstest"

	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"

	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

// trivyModule is where Trivy's module is.
var trivyModule = sync.OnceValues(func() (string, error) {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", "github.com/aquasecurity/trivy").Output()
	return strings.TrimSpace(string(out)), err
})

func trivyFS(t testing.TB, dir string) fs.FS {
	t.Helper()
	root, err := trivyModule()
	if err != nil {
		t.Fatal(err)
	}
	return os.DirFS(filepath.Join(root, dir))
}

type storedBytes struct {
	path string
	data []byte
}

func (s storedBytes) Open() (analysis.File, func(), error) {
	info, err := fstest.MapFS{s.path: {Data: s.data}}.Stat(s.path)
	return analysis.File{Path: s.path, Info: info, Content: bytes.NewReader(s.data), Data: s.data}, func() {}, err
}

// layerOf takes the files of fsys that the analyser wants.
func layerOf(t testing.TB, a analysis.PostAnalyzer, fsys fs.FS) analysis.Files {
	t.Helper()
	files := analysis.Files{}
	err := fs.WalkDir(fsys, ".", func(p string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() || !a.Wants(p, nil) {
			return err
		}
		data, err := fs.ReadFile(fsys, p)
		files[p] = storedBytes{p, data}
		return err
	})
	if err != nil {
		t.Fatal(err)
	}
	return files
}

func lockAnalyzer(t testing.TB, typ analysis.Type) analysis.PostAnalyzer {
	t.Helper()
	for _, a := range lockFiles() {
		if a.Type == typ {
			return a
		}
	}
	t.Fatalf("no analyser %s", typ)
	return analysis.PostAnalyzer{}
}

// lines tells applications as text: a line for each, and for each of its packages.
func lines(res *analysis.Result) string {
	if res == nil {
		return ""
	}
	var b strings.Builder
	for _, app := range res.Applications {
		fmt.Fprintf(&b, "%s %s\n", app.Type, app.FilePath)
		for _, p := range app.Packages {
			fmt.Fprintf(&b, " %s|%s|%s|%s", p.ID, p.Name, p.Version, p.Relationship)
			if p.Dev {
				b.WriteString("|dev")
			}
			if p.Indirect != (p.Relationship == ftypes.RelationshipIndirect) {
				b.WriteString("|indirect?")
			}
			if len(p.Licenses) > 0 {
				fmt.Fprintf(&b, "|%s", strings.Join(p.Licenses, ","))
			}
			if p.FilePath != "" {
				fmt.Fprintf(&b, "|at %s", p.FilePath)
			}
			for _, l := range p.Locations {
				fmt.Fprintf(&b, "|%d-%d", l.StartLine, l.EndLine)
			}
			if len(p.DependsOn) > 0 {
				fmt.Fprintf(&b, " -> %s", strings.Join(p.DependsOn, " "))
			}
			b.WriteString("\n")
		}
	}
	return b.String()
}

// txtarFS reads a txtar archive, in which Trivy keeps whole trees.
func txtarFS(t testing.TB, fsys fs.FS, name string) fs.FS {
	t.Helper()
	data, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatal(err)
	}
	tree := fstest.MapFS{}
	var f *fstest.MapFile
	for line := range strings.Lines(string(data)) {
		if header, ok := strings.CutPrefix(line, "-- "); ok {
			f = &fstest.MapFile{}
			tree[strings.TrimSuffix(strings.TrimSpace(header), " --")] = f
		} else if f != nil {
			f.Data = append(f.Data, line...)
		}
	}
	return tree
}

// read runs a post-analyser on a layer and tells which files it refused.
func read(t testing.TB, a analysis.PostAnalyzer, files analysis.Files) (told string, refused []string) {
	t.Helper()
	res, err := a.Analyze(t.Context(), files, func(p string, err error) {
		if err == nil {
			t.Errorf("%s failed without an error", p)
		}
		refused = append(refused, p)
	})
	if err != nil {
		t.Fatal(err)
	}
	return lines(res), refused
}

// TestLockFiles expects what Trivy's own tests do.
func TestLockFiles(t *testing.T) {
	const root = "pkg/fanal/analyzer/language/"
	for _, tt := range []struct {
		typ       analysis.Type
		dir, name string
		want      string
		refused   string
	}{
		{analysis.TypeCargo, "rust/cargo", "happy.txtar", `cargo Cargo.lock
 app@0.1.0|app|0.1.0|root|13-20 -> memchr@1.0.2 regex-syntax@0.5.6 regex@1.7.3
 memchr@1.0.2|memchr|1.0.2|direct|28-35 -> libc@0.2.140
 regex@1.7.3|regex|1.7.3|direct|43-52 -> aho-corasick@0.7.20 memchr@2.5.0 regex-syntax@0.6.29
 regex-syntax@0.5.6|regex-syntax|0.5.6|direct|54-61 -> ucd-util@0.1.10
 aho-corasick@0.7.20|aho-corasick|0.7.20|indirect|4-11 -> memchr@2.5.0
 libc@0.2.140|libc|0.2.140|indirect|22-26
 memchr@2.5.0|memchr|2.5.0|indirect|37-41
 regex-syntax@0.6.29|regex-syntax|0.6.29|indirect|63-67
 ucd-util@0.1.10|ucd-util|0.1.10|indirect|69-73
`, ""},
		{analysis.TypeCargo, "rust/cargo", "toml-only-workspace-deps.txtar", `cargo Cargo.lock
 app@0.1.0|app|0.1.0|root|4-9 -> memchr@2.5.0
 memchr@2.5.0|memchr|2.5.0|direct|11-15
`, ""},
		{analysis.TypeCargo, "rust/cargo", "toml-workspace-glob.txtar", strings.ReplaceAll(cargoWorkspace, "ROOT", "fbcbfc8e1114c435"), ""},
		{analysis.TypeCargo, "rust/cargo", "toml-workspace-members.txtar",
			strings.ReplaceAll(strings.ReplaceAll(cargoWorkspace, "ROOT", "eeae9dc40f83d7dd"), "member1", "member"), ""},
		{analysis.TypeCargo, "rust/cargo", "version-workspace-inherit.txtar", `cargo Cargo.lock
 afc012b7e68b6638|||root -> myapp@2.0.0
 myapp@2.0.0|myapp|2.0.0|workspace|5-10 -> serde@1.0.195
 serde@1.0.195|serde|1.0.195|direct|12-16
`, ""},
		{analysis.TypeCargo, "rust/cargo", "wrong-cargo-toml.txtar", `cargo Cargo.lock
 app@0.1.0|app|0.1.0|unknown|5-10 -> memchr@2.5.0
 memchr@2.5.0|memchr|2.5.0|unknown|12-16
`, ""},
		{analysis.TypeCargo, "rust/cargo", "sad.txtar", "", "Cargo.lock"},
		{analysis.TypeJulia, "julia/pkg", "dep_ext_v1.9", `julia Manifest.toml
 621f4979-c628-5d54-868e-fcf4e3e8185c|AbstractFFTs|1.3.1|direct|7-10
`, ""},
		{analysis.TypeJulia, "julia/pkg", "happy", juliaHappy, ""},
		{analysis.TypeJulia, "julia/pkg", "no_deps_v1.6", "", ""},
		{analysis.TypeJulia, "julia/pkg", "no_manifest", "", ""},
		{analysis.TypeJulia, "julia/pkg", "shadowed_dep_v1.9", `julia Manifest.toml
 ead4f63c-334e-11e9-00e6-e7f0a5f21b60|A|1.9.0|direct|7-8 -> f41f7b98-334e-11e9-1257-49272045fb24
 edca9bc6-334e-11e9-3554-9595dbb4349c|B|1.9.0|direct|15-16
 f41f7b98-334e-11e9-1257-49272045fb24|B|1.9.0|indirect|13-14
`, ""},
		{analysis.TypeNuget, "dotnet/nuget", "config", `nuget packages.config
 |Microsoft.AspNet.WebApi|5.2.2|unknown
 |Newtonsoft.Json|6.0.4|unknown
`, ""},
		{analysis.TypeNuget, "dotnet/nuget", "lock", `nuget packages.lock.json
 Newtonsoft.Json@12.0.3|Newtonsoft.Json|12.0.3|direct|5-10
 NuGet.Frameworks@5.7.0|NuGet.Frameworks|5.7.0|direct|11-19 -> Newtonsoft.Json@12.0.3
`, ""},
		{analysis.TypeNuget, "dotnet/nuget", "lock-without-deps", "", ""},
	} {
		t.Run(string(tt.typ)+" "+tt.name, func(t *testing.T) {
			// Nothing of this machine counts.
			t.Setenv("HOME", filepath.Join(root, "dotnet/nuget/testdata/repository"))
			module, err := trivyModule()
			if err != nil {
				t.Fatal(err)
			}
			t.Setenv("NUGET_PACKAGES", filepath.Join(module, root, "dotnet/nuget/testdata/repository/.nuget/packages"))
			fsys := trivyFS(t, root+tt.dir+"/testdata")
			if strings.HasSuffix(tt.name, ".txtar") {
				fsys = txtarFS(t, fsys, tt.name)
			} else if fsys, err = fs.Sub(fsys, tt.name); err != nil {
				t.Fatal(err)
			}
			a := lockAnalyzer(t, tt.typ)
			told, refused := read(t, a, layerOf(t, a, fsys))
			if told != tt.want {
				t.Errorf("got\n%s\nwant\n%s", told, tt.want)
			}
			if got := strings.Join(refused, " "); got != tt.refused {
				t.Errorf("refused %q, want %q", got, tt.refused)
			}
		})
	}
}

const cargoWorkspace = `cargo Cargo.lock
 ROOT|||root -> member1@0.1.0 member2@0.1.0
 member1@0.1.0|member1|0.1.0|workspace|30-35 -> gdb-command@0.7.6
 member2@0.1.0|member2|0.1.0|workspace|37-42 -> regex@1.10.2
 gdb-command@0.7.6|gdb-command|0.7.6|direct|14-22 -> regex@1.10.2 wait-timeout@0.2.0
 regex@1.10.2|regex|1.10.2|direct|50-60 -> aho-corasick@1.1.2 memchr@2.6.4 regex-automata@0.4.3 regex-syntax@0.8.2
 aho-corasick@1.1.2|aho-corasick|1.1.2|indirect|5-12 -> memchr@2.6.4
 libc@0.2.150|libc|0.2.150|indirect|24-28
 memchr@2.6.4|memchr|2.6.4|indirect|44-48
 regex-automata@0.4.3|regex-automata|0.4.3|indirect|62-71 -> aho-corasick@1.1.2 memchr@2.6.4 regex-syntax@0.8.2
 regex-syntax@0.8.2|regex-syntax|0.8.2|indirect|73-77
 wait-timeout@0.2.0|wait-timeout|0.2.0|indirect|79-86 -> libc@0.2.150
`

const juliaHappy = `julia Manifest.toml
 ade2ca70-3891-5945-98fb-dc099432e06a|Dates|1.9.0|direct|7-9 -> de0858da-6303-5e67-8744-51eddeeeb8d7
 d9a60922-03b4-4a1b-81be-b8d05b827236|DevDep|1.0.0|direct|dev|65-68 -> b637660b-5035-4894-8335-b3805a4b50d8
 682c06a0-de6a-54ab-a142-c8b1cf79cde6|JSON|0.21.4|direct|11-15 -> 4ec0a83e-493e-50e2-b9ac-8f72acf5a8f5 69de0a69-1ddd-5017-9359-2bf0b02dc9f0 a63ad114-7e13-5084-954f-fe012c677804 ade2ca70-3891-5945-98fb-dc099432e06a
 b637660b-5035-4894-8335-b3805a4b50d8|IndirectDevDep|2.0.0|indirect|dev|70-72
 a63ad114-7e13-5084-954f-fe012c677804|Mmap|1.9.0|indirect|17-18
 69de0a69-1ddd-5017-9359-2bf0b02dc9f0|Parsers|2.5.10|indirect|20-24 -> ade2ca70-3891-5945-98fb-dc099432e06a aea7be01-6a6a-4083-8856-8a6e6704d82a cf7118a7-6976-5b1a-9a39-7adc72f591a4
 aea7be01-6a6a-4083-8856-8a6e6704d82a|PrecompileTools|1.1.1|indirect|26-30 -> 21216c6a-2e73-6563-6e65-726566657250
 21216c6a-2e73-6563-6e65-726566657250|Preferences|1.4.0|indirect|32-36 -> fa267f1f-6049-4f14-aa54-33bafae1ed76
 de0858da-6303-5e67-8744-51eddeeeb8d7|Printf|1.9.0|indirect|38-40 -> 4ec0a83e-493e-50e2-b9ac-8f72acf5a8f5
 9a3f8284-a2c9-5f02-9a11-845980a1fd5c|Random|1.9.0|indirect|42-44 -> 9e88b42a-f829-5b0c-bbe9-9e923198166b ea8e919c-243c-51af-8825-aaa63cd721ce
 ea8e919c-243c-51af-8825-aaa63cd721ce|SHA|0.7.0|indirect|46-48
 9e88b42a-f829-5b0c-bbe9-9e923198166b|Serialization|1.9.0|indirect|50-51
 fa267f1f-6049-4f14-aa54-33bafae1ed76|TOML|1.0.3|indirect|53-56 -> ade2ca70-3891-5945-98fb-dc099432e06a
 cf7118a7-6976-5b1a-9a39-7adc72f591a4|UUIDs|1.9.0|indirect|58-60 -> 9a3f8284-a2c9-5f02-9a11-845980a1fd5c ea8e919c-243c-51af-8825-aaa63cd721ce
 4ec0a83e-493e-50e2-b9ac-8f72acf5a8f5|Unicode|1.9.0|indirect|62-63
`
