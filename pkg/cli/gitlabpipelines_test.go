// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bufio"
	"io"
	"maps"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"

	"github.com/google/go-containerregistry/pkg/authn"
	"github.com/google/go-containerregistry/pkg/name"
	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/google/go-containerregistry/pkg/v1/remote"
)

// pushed is the one image in the repository that is deployed from; nil if there is none.
func (p *project) pushed() *remote.Descriptor {
	p.t.Helper()
	repository, err := name.NewRepository(p.registry.Host + "/team/shop")
	if err != nil {
		p.t.Fatal(err)
	}
	auth := remote.WithAuth(&authn.Basic{Username: p.registry.User, Password: p.registry.Password})
	tags, err := remote.List(repository, auth)
	if err != nil || len(tags) == 0 {
		return nil // the registry does not know the repository
	}
	if len(tags) != 1 {
		p.t.Fatalf("pushed are %q", tags)
	}
	d, err := remote.Get(repository.Tag(tags[0]), auth)
	if err != nil {
		p.t.Fatal(err)
	}
	return d
}

func (p *project) nothingPushed() {
	p.t.Helper()
	if d := p.pushed(); d != nil {
		p.t.Fatalf("%s was pushed", d.Digest)
	}
}

func TestGitLabTar(t *testing.T) {
	p := newProject(t)
	p.skopeo()
	p.copy(filepath.Join(gitlabExamples, "tar.gitlab-ci.yml"), ".gitlab-ci.yml")

	p.image("shop-1.0")
	p.expects(p.run(), 1, "build:PASS ocigate:FAIL")
	p.reports("FAILED")
	fetched := p.blobs()
	if fetched == 0 {
		t.Error("no database was fetched")
	}

	// Cut off in a layer: all that is known is that nothing is.
	p.image("broken")
	r := p.run()
	p.expects(r, 1, "build:PASS ocigate:FAIL")
	p.reports("ERROR")
	p.nothingPushed()

	p.image("shop-1.1")
	p.expects(p.run(), 0, "build:PASS ocigate:PASS push:PASS")
	p.reports("PASSED")
	if d := p.pushed(); d == nil || d.Digest.String() != p.output("digest") {
		t.Errorf("pushed is %v, judged was %s", d, p.output("digest"))
	}
	if n := p.blobs(); n != fetched {
		t.Errorf("the database was fetched again: %d blobs, then %d", fetched, n)
	}
	p.keepsOnlyDatabases()
}

// keepsOnlyDatabases looks at the project's cache.
func (p *project) keepsOnlyDatabases() {
	p.t.Helper()
	files, err := filepath.Glob(filepath.Join(p.dir, ".gitlab-ci-local/cache/*/*/*"))
	if err != nil || len(files) != 1 || !strings.HasPrefix(filepath.Base(files[0]), "db-") {
		p.t.Errorf("the cache holds %q (%v)", files, err)
	}
}

func TestGitLabRegistry(t *testing.T) {
	p := newProject(t)
	p.skopeo()
	p.copy(filepath.Join(gitlabExamples, "registry.gitlab-ci.yml"), ".gitlab-ci.yml")
	// The gate reads with the deploy token, which is not what pushes.
	p.variables["CI_DEPLOY_USER"], p.variables["CI_DEPLOY_PASSWORD"] = p.registry.User, p.registry.Password

	// GitLab does not begin with the last job here (see anyCode), which refuses anyway.
	p.image("shop-1.0")
	p.expects(p.run(), 1, "build:PASS ocigate:FAIL push:FAIL")
	p.reports("FAILED")
	p.nothingPushed()

	// No credentials: could not decide, which this example allows, and nothing is pushed.
	without := maps.Clone(p.variables)
	delete(without, "CI_DEPLOY_USER")
	with := p.variables
	p.variables = without
	r := p.run()
	p.expects(r, 1, "build:PASS ocigate:WARN push:FAIL")
	p.reports("ERROR")
	if !strings.Contains(r.log, "not PASSED: not pushed") {
		t.Errorf("%s", r.log)
	}
	p.nothingPushed()
	p.variables = with

	p.image("shop-1.1")
	p.expects(p.run(), 0, "build:PASS ocigate:PASS push:PASS")
	p.reports("PASSED")
	if d := p.pushed(); d == nil || d.Digest.String() != p.output("digest") {
		t.Errorf("pushed is %v, judged was %s", d, p.output("digest"))
	}
}

// TestGitLabDind has a real daemon behind DOCKER_HOST=tcp://127.0.0.1:PORT.
func TestGitLabDind(t *testing.T) {
	runner(t, "docker", "apt-get install docker.io")
	p := newProject(t)
	p.copy(filepath.Join(gitlabExamples, "dind.gitlab-ci.yml"), ".gitlab-ci.yml")
	p.variables["DOCKER_HOST"] = dockerd(t)
	p.variables["DOCKER_BUILDKIT"] = "0"

	p.rootfs("alpine")
	p.write("Dockerfile", "FROM scratch\nCOPY rootfs/ /\n")
	p.expects(p.run(), 1, "build:PASS ocigate:FAIL")
	p.reports("FAILED")

	p.rootfs("arch")
	p.write("Dockerfile", "FROM scratch\nCOPY rootfs/ /\nUSER 10001:10001\n")
	p.expects(p.run(), 1, "build:PASS ocigate:FAIL")
	p.reports("ERROR")
	p.nothingPushed()

	p.rootfs("alpine")
	p.expects(p.run(), 0, "build:PASS ocigate:PASS push:PASS")
	p.reports("PASSED")
	d := p.pushed()
	if d == nil {
		t.Fatal("nothing was pushed")
	}
	img, err := d.Image()
	if err != nil {
		t.Fatal(err)
	}
	config, err := img.ConfigName()
	if want, _ := v1.NewHash(p.output("image-id")); err != nil || config != want {
		t.Errorf("pushed is %s (%v), judged was %s", config, err, want)
	}
}

// rootfs writes what the Dockerfile copies.
func (p *project) rootfs(distribution string) {
	p.t.Helper()
	if err := os.RemoveAll(filepath.Join(p.dir, "rootfs")); err != nil {
		p.t.Fatal(err)
	}
	files := map[string]map[string]string{
		"alpine": {
			"etc/os-release": "ID=alpine\nVERSION_ID=3.20.3\n", "etc/alpine-release": "3.20.3\n",
			"lib/apk/db/installed": "P:musl\nV:1.2.5-r1\nA:x86_64\no:musl\nL:MIT\n\n",
		},
		"arch": {"etc/os-release": "ID=arch\n", "var/lib/pacman/local/glibc-2.39-1/desc": "%NAME%\nglibc\n"},
	}
	for file, text := range files[distribution] {
		p.write(filepath.Join("rootfs", file), text)
	}
}

// dockerd starts a daemon that ends with the test, and returns its DOCKER_HOST.
func dockerd(t *testing.T) string {
	t.Helper()
	program := runner(t, "dockerd", "apt-get install docker.io")
	if os.Getuid() != 0 {
		t.Skip("dockerd runs as root only")
	}
	// Paths of sockets are short.
	dir, err := os.MkdirTemp("", "dind")
	if err != nil {
		t.Fatal(err)
	}
	host := "tcp://127.0.0.1:" + freePort(t)
	cmd := exec.Command(program, "--host", host, "--tls=false", "--iptables=false", "--bridge=none", "--storage-driver=vfs",
		"--data-root", filepath.Join(dir, "data"), "--exec-root", filepath.Join(dir, "exec"), "--pidfile", filepath.Join(dir, "pid"), "--config-file", filepath.Join(dir, "none.json"))
	stderr, err := cmd.StderrPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := os.WriteFile(filepath.Join(dir, "none.json"), []byte("{}"), 0o600); err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = cmd.Process.Signal(syscall.SIGTERM)
		_ = cmd.Wait()
		_ = os.RemoveAll(dir)
	})
	var said strings.Builder
	lines := bufio.NewScanner(stderr)
	for lines.Scan() {
		said.WriteString(lines.Text() + "\n")
		if strings.Contains(lines.Text(), "API listen on") {
			go func() { _, _ = io.Copy(io.Discard, stderr) }()
			return host
		}
	}
	t.Fatalf("dockerd did not start:\n%s", said.String())
	return ""
}

func freePort(t *testing.T) string {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	defer l.Close() //nolint:errcheck // only its number is wanted
	_, port, err := net.SplitHostPort(l.Addr().String())
	if err != nil {
		t.Fatal(err)
	}
	return port
}
