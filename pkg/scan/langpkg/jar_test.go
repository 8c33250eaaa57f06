// SPDX-License-Identifier: Apache-2.0

package langpkg

import (
	"context"
	"crypto/sha1" //nolint:gosec // the database's key
	"errors"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	javatypes "github.com/aquasecurity/trivy-java-db/pkg/types"
	"github.com/aquasecurity/trivy/pkg/dependency/parser/java/jar"
	ftypes "github.com/aquasecurity/trivy/pkg/fanal/types"
	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/scan/analysis"
)

const jarTestdata = "pkg/fanal/analyzer/language/java/jar/testdata/"

// javaDB is a small database.
func javaDB(t testing.TB, entries ...javatypes.Index) *JavaDB {
	t.Helper()
	dir := t.TempDir()
	if err := dbtest.Build(dir, dbtest.Spec{Java: entries}); err != nil {
		t.Fatal(err)
	}
	return openJava(t, filepath.Join(dir, "java-db"))
}

func openJava(t testing.TB, dir string) *JavaDB {
	t.Helper()
	db, err := OpenJavaDB(dir)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		if err := db.Close(); err != nil {
			t.Error(err)
		}
	})
	return db
}

func TestJars(t *testing.T) {
	db := openJava(t, trivyPath(t, jarTestdata+"java-db"))
	files := map[string][]byte{"app/note.jar": []byte("no archive")}
	for _, n := range []string{"test.war", "test.par", "test.jar"} {
		files["app/"+n] = trivyData(t, jarTestdata+n)
	}
	const war = "app/test.war"
	lib := func(name, version, file string, licences ...string) ftypes.Package {
		return ftypes.Package{Name: name, Version: version, FilePath: war + "/WEB-INF/lib/" + file, Licenses: licences}
	}
	want := &analysis.Result{Applications: []ftypes.Application{
		{Type: ftypes.Jar, FilePath: "app/test.jar", Packages: ftypes.Packages{
			{Name: "org.apache.tomcat.embed:tomcat-embed-websocket", Version: "9.0.65", FilePath: "app/test.jar", Licenses: []string{"Apache-2.0"}}}},
		{Type: ftypes.Jar, FilePath: "app/test.par", Packages: ftypes.Packages{
			{Name: "com.example:par-app", Version: "3.0.0", FilePath: "app/test.par"},
			{Name: "com.fasterxml.jackson.core:jackson-core", Version: "2.9.10", FilePath: "app/test.par/lib/jackson-core-2.9.10.jar", Licenses: []string{"Apache-2.0"}}}},
		{Type: ftypes.Jar, FilePath: war, Packages: ftypes.Packages{
			lib("org.glassfish:javax.el", "3.0.0", "javax.el-3.0.0.jar", "CDDL + GPLv2 with classpath exception"),
			lib("com.fasterxml.jackson.core:jackson-databind", "2.9.10.6", "jackson-databind-2.9.10.6.jar", "Apache-2.0"),
			lib("com.fasterxml.jackson.core:jackson-annotations", "2.9.10", "jackson-annotations-2.9.10.jar", "Apache-2.0"),
			lib("com.fasterxml.jackson.core:jackson-core", "2.9.10", "jackson-core-2.9.10.jar", "Apache-2.0"),
			lib("org.slf4j:slf4j-api", "1.7.30", "slf4j-api-1.7.30.jar"),
			lib("com.cronutils:cron-utils", "9.1.2", "cron-utils-9.1.2.jar", "Apache 2.0"),
			lib("org.apache.commons:commons-lang3", "3.11", "commons-lang3-3.11.jar", "Apache-2.0"),
			{Name: "com.example:web-app", Version: "1.0-SNAPSHOT", FilePath: war}}},
	}}
	for range 3 { // the order is the same each time
		res, failed := analyzePost(t, Jar(db), storedFiles(files))
		if diff := cmp.Diff(want, res); diff != "" {
			t.Error(diff)
		}
		if failed["app/note.jar"] == nil || len(failed) != 1 {
			t.Errorf("failed: %v", failed)
		}
	}
}

func sum(b []byte) []byte {
	s := sha1.Sum(b) //nolint:gosec // the database's key
	return s[:]
}

// TestJavaDB has the cases of Trivy's client.
func TestJavaDB(t *testing.T) {
	entry := func(group, artifact, version, archive string) javatypes.Index {
		return javatypes.Index{GroupID: group, ArtifactID: artifact, Version: version, ArchiveType: javatypes.ArchiveType(archive),
			SHA1: sum([]byte(group + artifact + version + archive))}
	}
	db := javaDB(t, entry("javax.servlet", "jstl", "1.0", "jar"), entry("javax.servlet", "jstl", "1.1", "jar"),
		entry("jstl", "jstl", "1.0", "jar"), entry("b", "tie", "1", "jar"), entry("a", "tie", "1", "jar"), entry("a", "tie", "2", "aar"), entry("b", "tie", "2", "aar"))
	s := &session{ctx: context.Background(), JavaDB: db}
	for _, tt := range []struct {
		group, artifact string
		want            bool
	}{{"jstl", "jstl", true}, {"javax.servlet", "jstl", true}, {"jstl", "JSTL", false}, {"", "", false}, {"x", "jstl", false}} {
		if got, err := s.Exists(tt.group, tt.artifact); got != tt.want || err != nil {
			t.Errorf("%v: %v, %v", tt, got, err)
		}
	}
	for _, tt := range []struct{ artifact, version, want string }{
		{"jstl", "1.0", "javax.servlet"}, {"jstl", "1.1", "javax.servlet"}, {"jstl", "9", ""}, {"tie", "1", "a"}, {"tie", "2", ""}, {"x' OR 1=1 --", "1", ""},
	} {
		got, err := s.SearchByArtifactID(tt.artifact, tt.version)
		if got != tt.want || (tt.want == "") != errors.Is(err, jar.ArtifactNotFoundErr) {
			t.Errorf("%v: %q, %v", tt, got, err)
		}
	}
	got, err := s.SearchBySHA1(fmt.Sprintf("%x", sum([]byte("jstljstl1.0jar"))))
	if want := (jar.Properties{GroupID: "jstl", ArtifactID: "jstl", Version: "1.0"}); got != want || err != nil {
		t.Errorf("%v, %v", got, err)
	}
	if _, err := s.SearchBySHA1(strings.Repeat("0", 40)); !errors.Is(err, jar.ArtifactNotFoundErr) {
		t.Errorf("unknown digest: %v", err)
	}
	if s.err != nil {
		t.Errorf("nothing found is an error: %v", s.err)
	}
	if _, err := db.db.Exec("DELETE FROM indices"); err == nil {
		t.Error("the database can be written to")
	}
}

func TestOpenJavaDB(t *testing.T) {
	dir := t.TempDir()
	if db, err := OpenJavaDB(dir); err == nil || db != nil {
		t.Errorf("a missing database was opened: %v", err)
	}
	if entries, err := os.ReadDir(dir); err != nil || len(entries) > 0 {
		t.Errorf("it was created: %v, %v", entries, err)
	}
	if err := os.WriteFile(filepath.Join(dir, "trivy-java.db"), []byte("something else, longer than a header of SQLite is, by some bytes and more and more"), 0o600); err != nil {
		t.Fatal(err)
	}
	if db, err := OpenJavaDB(dir); err == nil || db != nil {
		t.Errorf("another file was opened: %v", err)
	}
	// A name that means something in a URI.
	plain, odd := t.TempDir(), filepath.Join(dir, "a?mode=rwc&b#c%41 d")
	if err := errors.Join(dbtest.Build(plain, dbtest.Spec{}), os.Rename(filepath.Join(plain, "java-db"), odd)); err != nil {
		t.Fatal(err)
	}
	openJava(t, odd)
}

// TestJarFailures: what Trivy's parser drops because the database did not answer.
func TestJarFailures(t *testing.T) {
	inner := string(zipped(t, "META-INF/MANIFEST.MF", "Implementation-Title: a\nImplementation-Version: 1\nImplementation-Vendor-Id: g\n"))
	files := storedFiles(map[string][]byte{"inner.jar": []byte(inner), "outer.jar": zipped(t, "META-INF/maven/g/outer/pom.properties",
		"groupId=g\nartifactId=outer\nversion=1\n", "lib/inner.jar", inner), "empty.jar": nil})
	files["gone.jar"] = stored{err: errors.New("gone")}
	dir := t.TempDir()
	if err := dbtest.Build(dir, dbtest.Spec{}); err != nil {
		t.Fatal(err)
	}
	closed, err := OpenJavaDB(filepath.Join(dir, "java-db"))
	if err != nil {
		t.Fatal(err)
	}
	if err := closed.Close(); err != nil {
		t.Fatal(err)
	}
	for name, db := range map[string]*JavaDB{"none": nil, "closed": closed} {
		res, failed := analyzePost(t, Jar(db), files)
		if diff := cmp.Diff([]string{"empty.jar", "gone.jar", "inner.jar", "outer.jar"}, slices.Sorted(maps.Keys(failed))); diff != "" || len(res.Applications) > 0 {
			t.Errorf("%s: %v\n%s", name, res, diff)
		}
	}
	res, failed := analyzePost(t, Jar(javaDB(t, javatypes.Index{GroupID: "g", ArtifactID: "a", Version: "2", SHA1: sum(nil), ArchiveType: "jar"})), files)
	if diff := cmp.Diff([]string{"empty.jar", "gone.jar"}, slices.Sorted(maps.Keys(failed))); diff != "" || len(res.Applications) != 2 {
		t.Errorf("%v\n%s", res, diff)
	}
}
