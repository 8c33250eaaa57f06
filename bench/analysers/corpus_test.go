// SPDX-License-Identifier: Apache-2.0

package analysers

import (
	"bytes"
	"crypto/sha1"
	"io/fs"
	"maps"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"slices"
	"strings"
	"sync"
	"testing"

	javadb "github.com/aquasecurity/trivy-java-db/pkg/db"
	javatypes "github.com/aquasecurity/trivy-java-db/pkg/types"
)

// maxFile leaves out whole images and the like, in bytes.
const maxFile = 12 << 20

// testdata are the directories of modules below which the corpus is.
var testdata = map[string][]string{
	"github.com/aquasecurity/trivy": {"pkg/fanal/analyzer", "pkg/dependency/parser", "pkg/sbom", "pkg/fanal/artifact",
		"pkg/fanal/test/testdata", "pkg/licensing", "pkg/purl"},
	"github.com/knqyf263/go-rpmdb": {"pkg/testdata"},
}

// corpus are the files in the testdata directories of Trivy's analysers, parsers and
// SBOM readers, and of its reader of rpm databases, by their path in the module.
var corpus = sync.OnceValues(func() (map[string][]byte, error) {
	files := map[string][]byte{}
	for module, dirs := range testdata {
		if err := addCorpus(files, module, dirs); err != nil {
			return nil, err
		}
	}
	return files, nil
})

func addCorpus(files map[string][]byte, module string, dirs []string) error {
	out, err := exec.Command("go", "list", "-m", "-f", "{{.Dir}}", module).Output()
	if err != nil {
		return err
	}
	root := strings.TrimSpace(string(out))
	for _, dir := range dirs {
		err := filepath.WalkDir(filepath.Join(root, dir), func(p string, d fs.DirEntry, err error) error {
			if err != nil || !d.Type().IsRegular() || !strings.Contains(p, "/testdata/") {
				return err
			}
			info, err := d.Info()
			if err != nil || info.Size() > maxFile {
				return err
			}
			data, err := os.ReadFile(p)
			if err != nil {
				return err
			}
			rel := filepath.ToSlash(strings.TrimPrefix(p, root+string(filepath.Separator)))
			files[rel] = data
			for name, data := range txtar(rel, data) {
				files[strings.TrimSuffix(rel, ".txtar")+"/"+name] = data
			}
			return nil
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// txtar reads an archive in which Trivy keeps a whole tree.
func txtar(name string, data []byte) map[string][]byte {
	if !strings.HasSuffix(name, ".txtar") {
		return nil
	}
	files := map[string][]byte{}
	current := ""
	for line := range bytes.Lines(data) {
		if header, ok := bytes.CutPrefix(line, []byte("-- ")); ok {
			current = string(bytes.TrimSuffix(bytes.TrimSpace(header), []byte(" --")))
			files[current] = []byte{}
		} else if current != "" {
			files[current] = append(files[current], line...)
		}
	}
	return files
}

func testFiles(t testing.TB) map[string][]byte {
	t.Helper()
	files, err := corpus()
	if err != nil {
		t.Fatal(err)
	}
	if len(files) < 500 {
		t.Fatalf("only %d files of testdata: Trivy's module is not as it was", len(files))
	}
	return files
}

// trees are the testdata directories, and each directory right below one, as layers.
func trees(files map[string][]byte) map[string][]input {
	all := map[string][]input{}
	for _, p := range slices.Sorted(maps.Keys(files)) {
		dir, rel, _ := strings.Cut(p, "/testdata/")
		all[dir+"/testdata"] = append(all[dir+"/testdata"], input{path: rel, data: files[p]})
		for sub, rest, ok := strings.Cut(rel, "/"); ok; {
			all[dir+"/testdata/"+sub] = append(all[dir+"/testdata/"+sub], input{path: rest, data: files[p]})
			var next string
			next, rest, ok = strings.Cut(rest, "/")
			sub += "/" + next
		}
	}
	for name, tree := range all {
		all[name] = withoutConflicts(tree)
	}
	return all
}

// withoutConflicts leaves out files with the name of a directory (a txtar beside its own tree).
func withoutConflicts(tree []input) []input {
	dirs := map[string]bool{}
	for _, f := range tree {
		for d := dirOf(f.path); d != ""; d = dirOf(d) {
			dirs[d] = true
		}
	}
	return slices.DeleteFunc(tree, func(f input) bool { return dirs[f.path] })
}

// newJavaDB makes a Java database of every other jar of the testdata, by digest and name.
func newJavaDB(t testing.TB, files map[string][]byte) string {
	t.Helper()
	dir := t.TempDir()
	db, err := javadb.New(filepath.Join(dir, "java-db"))
	if err != nil {
		t.Fatal(err)
	}
	defer db.Close()
	if err := db.Init(); err != nil {
		t.Fatal(err)
	}
	var indexes []javatypes.Index
	for i, p := range slices.Sorted(maps.Keys(files)) {
		if !strings.HasSuffix(p, ".jar") || i%2 == 1 {
			continue
		}
		sum := sha1.Sum(files[p])
		name, version, ok := strings.Cut(strings.TrimSuffix(path.Base(p), ".jar"), "-")
		if !ok {
			version = "1.0"
		}
		indexes = append(indexes, javatypes.Index{GroupID: "org.example." + name, ArtifactID: name, Version: version, SHA1: sum[:], ArchiveType: javatypes.JarType})
	}
	for i, name := range []string{"heuristic", "log4j-core", "jackson-databind", "test", "gradle"} {
		sum := sha1.Sum([]byte(name))
		indexes = append(indexes, javatypes.Index{GroupID: "org.example", ArtifactID: name, Version: []string{"1.0.0-SNAPSHOT", "2.17.0", "1.0"}[i%3], SHA1: sum[:], ArchiveType: javatypes.JarType})
	}
	if err := db.InsertIndexes(indexes); err != nil {
		t.Fatal(err)
	}
	meta := javadb.NewMetadata(filepath.Join(dir, "java-db"))
	if err := meta.Update(javadb.Metadata{Version: javadb.SchemaVersion}); err != nil {
		t.Fatal(err)
	}
	return dir
}
