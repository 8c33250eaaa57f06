// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/verdict"
)

func TestRuntime(t *testing.T) {
	type change = func(*evidence.Evidence, *evidence.Config)
	file := func(path string, mode evidence.Mode, caps ...string) evidence.File {
		return evidence.File{Path: path, Kind: evidence.FileRegular, Mode: mode, Capabilities: caps, Layer: evidence.Layer{DiffID: "sha256:cc"}}
	}
	files := func(fs ...evidence.File) change {
		return func(ev *evidence.Evidence, _ *evidence.Config) { ev.Files = fs }
	}
	gone := file("bin/su", 0o4755)
	gone.RemovedBy = &evidence.Layer{DiffID: "sha256:dd"}
	open := evidence.File{Path: "var/spool/x", Kind: evidence.FileDirectory, Mode: 0o777}
	for _, tt := range []struct {
		rule   string
		change change
		want   verdict.Result
		says   string
	}{
		{"non-root: required", nil, verdict.Pass, "uid 1000"},
		{"non-root: required", func(ev *evidence.Evidence, _ *evidence.Config) { ev.Image.User = evidence.User{} }, verdict.Fail, "user"},
		{"read-only-root: required", nil, verdict.Pass, "does not say"},
		{"read-only-root: required", commands(nil, []string{"nginx", "-g", "daemon off;"}), verdict.Fail, "/var/cache/nginx /var/run"},
		{"read-only-root: required", func(_ *evidence.Evidence, c *evidence.Config) {
			c.Cmd, c.Volumes = []string{"/bin/sh", "-c", "exec /usr/sbin/nginx"}, []string{"/run", "/var/cache"}
		}, verdict.Pass, "does not say"},
		{"read-only-root: required", func(_ *evidence.Evidence, c *evidence.Config) {
			c.Env = append(c.Env, evidence.EnvVar{Name: "TMPDIR", Value: "/scratch"}, evidence.EnvVar{Name: "TMP", Value: "relative"})
		}, verdict.Fail, "/scratch"},
		{"read-only-root: required", files(open), verdict.Fail, "/var/spool/x"},
		{"capabilities: none", nil, verdict.Pass, "does not say"},
		{"capabilities: none", exposes(evidence.Port{First: 80, Last: 80, Protocol: "tcp", Raw: "80/tcp"}), verdict.Fail, "80/tcp"},
		{"capabilities: [NET_BIND_SERVICE]", exposes(evidence.Port{First: 80, Last: 80, Protocol: "tcp", Raw: "80/tcp"}), verdict.Pass, "does not say"},
		{"capabilities: none", exposes(evidence.Port{Raw: "http"}), verdict.Fail, "http"},
		{"capabilities: [NET_BIND_SERVICE]", files(file("bin/ping", 0o755, "cap_net_raw")), verdict.Fail, "NET_RAW"},
		{"no-new-privileges: required", nil, verdict.Pass, "no file grants"},
		{"no-new-privileges: required", files(file("bin/su", 0o4755), gone, open, file("bin/x", 0o2755), file("bin/ping", 0o755, "cap_net_raw")), verdict.Fail, "/bin/su /bin/x /bin/ping"},
		{"no-new-privileges: required", files(gone), verdict.Pass, "no file grants"},
		{"no-new-privileges: required", func(ev *evidence.Evidence, _ *evidence.Config) { ev.Waste = nil }, verdict.Error, "not looked at"},
		{"capabilities: none", func(ev *evidence.Evidence, _ *evidence.Config) {
			ev.Problems = []evidence.Problem{{Area: evidence.AreaLimit, Message: "m"}}
		}, verdict.Error, "limits"},
	} {
		o := outcome(decide(rules(parsed(t, "runtime", tt.rule)), configured(tt.change)), "r")
		var ids []string
		for _, v := range o.Violations {
			ids = append(ids, v.ID)
		}
		got := o.Summary
		if tt.want == verdict.Fail {
			got = strings.Join(ids, " ")
		}
		if o.Result != tt.want || tt.want == verdict.Fail && got != tt.says || !strings.Contains(got, tt.says) {
			t.Errorf("%s: %s: %q (%s), want %s with %q", tt.rule, o.Result, got, o.Summary, tt.want, tt.says)
		}
	}
}

func TestProfile(t *testing.T) {
	ev := configured(func(ev *evidence.Evidence, c *evidence.Config) {
		c.Entrypoint = []string{"server"}
		c.Env = []evidence.EnvVar{{Name: "PATH", Value: "/usr/local/bin:/bin"}}
		c.Volumes = []string{"/data"}
		c.Ports = []evidence.Port{{First: 443, Last: 443, Protocol: "tcp", Raw: "443/tcp"}}
		ev.Files = []evidence.File{
			{Path: "bin/server", Kind: evidence.FileRegular, Mode: 0o755, Capabilities: []string{"cap_net_admin"}},
			{Path: "bin/su", Kind: evidence.FileRegular, Mode: 0o4755},
			{Path: "data/x", Kind: evidence.FileDirectory, Mode: 0o777},
		}
		ev.Image.User = evidence.User{UID: ptr(int64(0)), GID: ptr(int64(0))}
	})
	p, ok := verdict.ProfileOf(ev)
	if !ok {
		t.Fatal("no profile")
	}
	var needs []string
	for _, n := range append(append(p.Capabilities, p.Writable...), p.Escalation...) {
		needs = append(needs, n.What)
	}
	if diff := cmp.Diff([]string{"NET_ADMIN", "NET_BIND_SERVICE", "/data", "/bin/server"}, needs); diff != "" {
		t.Error(diff)
	}
	if !strings.Contains(strings.Join(p.Unknown, "; "), "runs as root") {
		t.Errorf("%q", p.Unknown)
	}
	if _, ok := verdict.ProfileOf(evidence.Evidence{}); ok {
		t.Error("a profile of nothing")
	}
}
