// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/empty"
	"github.com/google/go-containerregistry/pkg/v1/layout"
	"github.com/google/go-containerregistry/pkg/v1/remote"
	"github.com/rogpeppe/go-internal/testscript"

	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

// TestScripts runs the real program against registries, daemons and a sigstore of the
// test's own. Scripts that need none of these are cmd/ocigate's.
func TestScripts(t *testing.T) {
	self, err := os.Executable()
	if err != nil {
		t.Fatal(err)
	}
	advisories, err := filepath.Abs("../../cmd/ocigate/testdata/advisories.yaml")
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.New(t, dbtest.Spec{Files: []string{advisories}})
	testscript.Run(t, testscript.Params{
		Dir:       "testdata/script",
		Condition: condition,
		Setup: func(e *testscript.Env) error {
			tmp, bin := filepath.Join(e.WorkDir, "tmp"), filepath.Join(e.WorkDir, "bin")
			e.Setenv("TMPDIR", tmp)
			e.Setenv("HOME", e.WorkDir)
			e.Setenv("OCIGATE_CACHE_DIR", filepath.Join(e.WorkDir, "ocigate-cache"))
			e.Setenv("PATH", bin+string(os.PathListSeparator)+e.Getenv("PATH"))
			e.Setenv("DB", db)
			newWorld(e)
			// The test binary is ocigate when it is called by that name; see TestMain.
			return errors.Join(os.MkdirAll(tmp, 0o700), os.MkdirAll(bin, 0o700), os.Symlink(self, filepath.Join(bin, "ocigate")),
				os.Symlink(self, filepath.Join(bin, "docker-ocigate")))
		},
		Cmds: scriptCommands(),
	})
}

// condition is [need:PROGRAM]: whether a program is there. In CI it has to be.
func condition(cond string) (bool, error) {
	program, ok := strings.CutPrefix(cond, "need:")
	if !ok {
		return false, fmt.Errorf("no condition %q", cond)
	}
	_, err := exec.LookPath(program)
	if err != nil && os.Getenv("OCIGATE_CI") != "" {
		return false, fmt.Errorf("%s is not installed, which .ci/run does: %w", program, err)
	}
	return err == nil, nil
}

// exits CODE COMMAND...: runs a command and demands its exit code.
func exits(ts *testscript.TestScript, _ bool, args []string) {
	want, err := strconv.Atoi(args[0])
	ts.Check(err)
	err = ts.Exec(args[1], args[2:]...)
	code := 0
	var exit *exec.ExitError
	if errors.As(err, &exit) {
		code = exit.ExitCode()
	} else {
		ts.Check(err)
	}
	if code != want {
		ts.Fatalf("exit code %d, want %d", code, want)
	}
}

// scriptLayers are the layers that scripts build images of.
func scriptLayers() map[string]*imagetest.Layer {
	return map[string]*imagetest.Layer{
		"clean": alpine("1.36.1-r31"), "old": alpine("1.36.1-r28"),
		// What a rebase meets: another release and distribution, and own layers that install
		// a package, replace and delete files of the base, or hold nothing that is one's own.
		"alpine321": release("alpine", "3.21.0", imagetest.File{Name: "lib/apk/db/installed", Body: "P:busybox\nV:1.37.0-r30\nA:x86_64\no:busybox\n\n"}),
		"debian":    release("debian", "12", imagetest.File{Name: "var/lib/dpkg/status", Body: "Package: bash\nStatus: install ok installed\nVersion: 5.2\nArchitecture: amd64\n\n"}),
		"install":   alpine("1.36.1-r28"),
		"uninstall": imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "lib/apk/.wh.db"}),
		"tool":      imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "bin/tool", Body: "tool"}),
		"changes":   imagetest.NewLayer(imagetest.Zstd, imagetest.File{Name: "bin/.wh.tool"}, imagetest.File{Name: "etc/alpine-release", Body: "mine\n"}),
		"app":       imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "app/main", Body: "app"}),
	}
}

func release(id, version string, files ...imagetest.File) *imagetest.Layer {
	return imagetest.NewLayer(imagetest.Gzip, append(files, imagetest.File{Name: "etc/os-release", Body: "ID=" + id + "\nVERSION_ID=\"" + version + "\"\n"})...)
}

// world is what one script signs with, and where it keeps what it signs.
type world struct {
	t          testing.TB
	stack      *sigstoretest.Stack
	registries map[string]*sigstoretest.Registry
	keys       map[string]*sigstoretest.Key
	// read is how many of the requests of a registry were looked at.
	read map[string]int
}

type worldKey struct{}

func newWorld(e *testscript.Env) {
	t, ok := e.T().(testing.TB)
	if !ok {
		e.T().Fatal("scripts are run by package testing")
	}
	e.Values[worldKey{}] = &world{t: t, registries: map[string]*sigstoretest.Registry{}, keys: map[string]*sigstoretest.Key{}, read: map[string]int{}}
}

func worldOf(ts *testscript.TestScript) *world {
	w, ok := ts.Value(worldKey{}).(*world)
	if !ok {
		ts.Fatalf("no world")
	}
	return w
}

// sigstore starts on first use: most scripts sign nothing.
func (w *world) sigstore() *sigstoretest.Stack {
	if w.stack == nil {
		w.stack = sigstoretest.New(w.t)
	}
	return w.stack
}

func scriptCommands() map[string]func(*testscript.TestScript, bool, []string) {
	return map[string]func(*testscript.TestScript, bool, []string){
		"exits":    exits,
		"registry": startRegistry, "fault": setFault, "requested": requested, "once": once,
		"push": pushImage, "daemon": startDaemon, "save": saveLayout, "archive": writeArchive,
		"key": makeKey, "trust": writeTrust, "sign": signImage, "signblob": signBlob,
		"cosign": runCosign, "replay": replay,
	}
}

// registry NAME [referrers]: starts a registry and puts its host into the variable NAME.
func startRegistry(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	r := sigstoretest.NewRegistry(w.t, len(args) > 1)
	w.registries[args[0]] = r
	ts.Setenv(args[0], r.Host)
}

// fault REGISTRY STATUS REGEXP: from now on requests ("GET /v2/…") get that status, or no
// answer where it is "hang".
func setFault(ts *testscript.TestScript, _ bool, args []string) {
	status := map[string]int{"401": 401, "403": 403, "404": 404, "500": 500}[args[1]]
	re := regexp.MustCompile(args[2])
	worldOf(ts).registries[args[0]].Fault = func(r *http.Request, _ int) *sigstoretest.Fault {
		if re.MatchString(r.Method + " " + r.URL.Path) {
			return &sigstoretest.Fault{Status: status, Hang: status == 0}
		}
		return nil
	}
}

// requested REGISTRY TEXT: whether a request ("GET /v2/…") held the text, or with ! none did.
func requested(ts *testscript.TestScript, neg bool, args []string) {
	all := worldOf(ts).registries[args[0]].Requests()
	found := slices.ContainsFunc(all, func(s string) bool { return strings.HasPrefix(s, "GET ") && strings.Contains(s, args[1]) })
	if found == neg {
		ts.Fatalf("requested %s: %v; requests:\n%s", args[1], found, strings.Join(all, "\n"))
	}
}

// once REGISTRY begin: looks at the requests from here on; once REGISTRY: since then no
// manifest and no blob was fetched twice by its digest.
func once(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	all := w.registries[args[0]].Requests()
	if len(args) > 1 {
		w.read[args[0]] = len(all)
		return
	}
	seen := map[string]bool{}
	for _, s := range all[w.read[args[0]]:] {
		if strings.HasPrefix(s, "GET ") && strings.Contains(s, "/sha256:") {
			if seen[s] {
				ts.Fatalf("%s: twice in\n%s", s, strings.Join(all[w.read[args[0]]:], "\n"))
			}
			seen[s] = true
		}
	}
}

func imageOf(ts *testscript.TestScript, user, arch string, names []string) *imagetest.Image {
	var list []*imagetest.Layer
	for _, n := range names {
		l, ok := scriptLayers()[n]
		if !ok {
			ts.Fatalf("no layer %q", n)
		}
		list = append(list, l)
	}
	img := imagetest.NewImage(list...).For("linux", arch, "")
	img.Config.Config.User = user
	return img
}

// push HOST/REPOSITORY:TAG [-user U] [-index] LAYER...: pushes an image, or an index of
// two platforms, and sets DIGEST to its digest and LAYER to that of its last layer.
func pushImage(ts *testscript.TestScript, _ bool, args []string) {
	fl := flag.NewFlagSet("push", flag.ContinueOnError)
	user, index := fl.String("user", "65532", ""), fl.Bool("index", false, "")
	ts.Check(fl.Parse(args[1:]))
	tag, err := name.NewTag(args[0])
	ts.Check(err)
	img := imageOf(ts, *user, "amd64", fl.Args())
	var node imagetest.Node = img
	if *index {
		node = imagetest.NewIndex(imagetest.PlatformOf(img), imagetest.PlatformOf(imageOf(ts, *user, "arm64", fl.Args())))
	}
	for _, r := range worldOf(ts).registries {
		if r.Host == tag.RegistryStr() {
			r.Push(tag.RepositoryStr(), tag.TagStr(), node)
		}
	}
	ts.Setenv("DIGEST", imagetest.DigestOf(node).String())
	ts.Setenv("LAYER", img.Layers[len(img.Layers)-1].Digest.String())
}

// archive FILE LAYER...: writes a docker archive.
func writeArchive(ts *testscript.TestScript, _ bool, args []string) {
	img := imageOf(ts, "65532", "amd64", args[1:])
	b := imagetest.Tar(imagetest.DockerFiles(imagetest.Saved{Image: img, Tags: []string{"example.test/shop:1.0"}})...)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), b, 0o600))
}

// daemon NAME LAYER...: starts a Docker daemon that has one image.
func startDaemon(ts *testscript.TestScript, _ bool, args []string) {
	d := imagetest.NewDaemon(worldOf(ts).t, args[0], imageOf(ts, "65532", "amd64", args[1:]))
	ts.Setenv("DOCKER_HOST", d.Host)
}

// key NAME: makes a key, of which NAME.pub is the public one.
func makeKey(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	w.keys[args[0]] = sigstoretest.NewKey(w.t, sigstoretest.ECDSA)
	ts.Check(os.WriteFile(ts.MkAbs(args[0]+".pub"), w.keys[args[0]].PublicPEM, 0o600))
}

// trust FILE: writes the trusted root of the script's own sigstore.
func writeTrust(ts *testscript.TestScript, _ bool, args []string) {
	ts.Check(os.WriteFile(ts.MkAbs(args[0]), worldOf(ts).sigstore().TrustedRoot(), 0o600))
}

// signer is the key of a name, or the certificate of an e-mail address, which is logged.
func (w *world) signer(who string) (sigstoretest.Signer, sigstoretest.SignOptions) {
	if k := w.keys[who]; k != nil {
		return k.Signer(), sigstoretest.SignOptions{}
	}
	return w.sigstore().Keyless(sigstoretest.Email(who)), sigstoretest.SignOptions{Log: sigstoretest.LogV1}
}

func digestOf(ts *testscript.TestScript, reference string) name.Digest {
	ref, err := name.ParseReference(reference)
	ts.Check(err)
	d, err := remote.Head(ref)
	ts.Check(err)
	return ref.Context().Digest(d.Digest.String())
}

// sign REFERENCE WHO [-bundle] [-of REFERENCE] [-type T -predicate FILE] [-out FILE]: signs,
// or attests, by digest; in the tag format, as a bundle, or into a file.
func signImage(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	fl := flag.NewFlagSet("sign", flag.ContinueOnError)
	bundle, of := fl.Bool("bundle", false, ""), fl.String("of", args[0], "")
	typ, predicate, out := fl.String("type", "", ""), fl.String("predicate", "", ""), fl.String("out", "", "")
	ts.Check(fl.Parse(args[2:]))
	where, what := digestOf(ts, args[0]), digestOf(ts, *of)
	by, o := w.signer(args[1])
	statement := sigstoretest.SignatureStatement(what)
	if *typ != "" {
		var p any
		ts.Check(json.Unmarshal([]byte(ts.ReadFile(*predicate)), &p))
		statement = sigstoretest.Statement(what, *typ, p)
	}
	s := w.sigstore()
	switch {
	case *out != "":
		ts.Check(os.WriteFile(ts.MkAbs(*out), s.JSON(s.Bundle(statement, by, o)), 0o600))
	case *bundle:
		sigstoretest.PushBundle(w.t, where, s.JSON(s.Bundle(statement, by, o)))
	case *typ != "":
		sigstoretest.PushTag(w.t, where, "att", s.TagAttestation(statement, by, o))
	default:
		sigstoretest.PushTag(w.t, where, "sig", s.TagSignature(what, by, o))
	}
}

// signblob FILE WHO OUT: signs a file as `cosign sign-blob --bundle OUT` does.
func signBlob(ts *testscript.TestScript, _ bool, args []string) {
	w := worldOf(ts)
	by, o := w.signer(args[1])
	s := w.sigstore()
	ts.Check(os.WriteFile(ts.MkAbs(args[2]), s.JSON(s.BlobBundle([]byte(ts.ReadFile(args[0])), by, o)), 0o600))
}

// save REFERENCE DIR: writes the layout that `cosign save` writes of an image in a
// registry and its signatures in the tag format.
func saveLayout(ts *testscript.TestScript, _ bool, args []string) {
	image := digestOf(ts, args[0])
	l, err := layout.Write(ts.MkAbs(args[1]), empty.Index)
	ts.Check(err)
	for ref, kind := range map[name.Reference]string{image: "image", sigstoretest.Tag(image, "sig"): "sigs"} {
		var img v1.Image
		img, err = remote.Image(ref)
		ts.Check(err)
		ts.Check(l.AppendImage(img, layout.WithAnnotations(map[string]string{"kind": path.Join("dev.cosignproject.cosign", kind)})))
	}
}
