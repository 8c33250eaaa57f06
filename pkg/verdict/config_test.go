// SPDX-License-Identifier: Apache-2.0

package verdict_test

import (
	"encoding/json"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// parsed is the one rule of a policy written as people write it.
func parsed(t *testing.T, group, rule string) policy.Rule {
	t.Helper()
	p, err := policy.Parse("f", []byte("version: 1\nname: x\nrules:\n  "+group+": [{id: r, "+rule+"}]\n"))
	if err != nil {
		t.Fatal(err)
	}
	return p.Rules[0]
}

// configured is an image whose configuration is known and in good order.
func configured(change func(*evidence.Evidence, *evidence.Config)) evidence.Evidence {
	return with(func(ev *evidence.Evidence) {
		created := now.AddDate(0, 0, -10)
		ev.Image.Created = &created
		ev.Image.Config = &evidence.Config{
			Entrypoint: []string{"/app"}, Cmd: []string{"serve"}, WorkingDir: "/",
			Env:         []evidence.EnvVar{{Name: "PATH", Value: "/usr/bin:/bin"}, {Name: "MODE", Value: "production"}},
			Ports:       []evidence.Port{{First: 8080, Last: 8080, Protocol: "tcp", Raw: "8080/tcp"}},
			Labels:      map[string]string{"source": "https://example.com", "empty": ""},
			Annotations: map[string]string{"a": "b"},
			Healthcheck: &evidence.Healthcheck{Test: []string{"CMD", "/app", "-health"}},
			History:     []evidence.HistoryEntry{{CreatedBy: "/bin/sh -c #(nop) ADD file:abc in / "}, {CreatedBy: "USER 1000", EmptyLayer: true}},
		}
		ev.Waste = &evidence.Waste{}
		if change != nil {
			change(ev, ev.Image.Config)
		}
	})
}

func steps(createdBy ...string) func(*evidence.Evidence, *evidence.Config) {
	return func(_ *evidence.Evidence, c *evidence.Config) {
		c.History = nil
		for _, s := range createdBy {
			c.History = append(c.History, evidence.HistoryEntry{CreatedBy: s})
		}
	}
}

func exposes(ports ...evidence.Port) func(*evidence.Evidence, *evidence.Config) {
	return func(_ *evidence.Evidence, c *evidence.Config) { c.Ports = ports }
}

func commands(entrypoint, cmd []string) func(*evidence.Evidence, *evidence.Config) {
	return func(_ *evidence.Evidence, c *evidence.Config) { c.Entrypoint, c.Cmd = entrypoint, cmd }
}

func dated(t time.Time) func(*evidence.Evidence, *evidence.Config) {
	return func(ev *evidence.Evidence, _ *evidence.Config) { ev.Image.Created = &t }
}

func TestConfig(t *testing.T) {
	type change = func(*evidence.Evidence, *evidence.Config)
	tcp := func(first, last int, raw string) evidence.Port {
		return evidence.Port{First: first, Last: last, Protocol: "tcp", Raw: raw}
	}
	var zero change
	for _, tt := range []struct {
		rule   string
		change change
		want   verdict.Result
		// ids of the violations, or a part of the summary.
		says string
	}{
		{"user: numeric-non-root", zero, verdict.Fail, "user"},
		{"user: numeric-non-root", func(ev *evidence.Evidence, _ *evidence.Config) { ev.Image.User.Configured = "1000:app" }, verdict.Pass, "uid 1000"},
		{"user: non-root, ports: {min: 1024}", zero, verdict.Pass, "gid 1000; ports: 8080/tcp"},

		{"ports: {min: 1024}", zero, verdict.Pass, "ports: 8080/tcp"},
		{"ports: {min: 1024}", exposes(), verdict.Pass, "no port exposed"},
		{"ports: {min: 1024}", exposes(tcp(80, 9000, "80-9000")), verdict.Fail, "80-9000"},
		{"ports: {max: 8079}", zero, verdict.Fail, "8080/tcp"},
		{"ports: {forbidden: [22]}", exposes(tcp(20, 25, "20-25/tcp"), tcp(23, 23, "23")), verdict.Fail, "20-25/tcp"},
		{"ports: {forbidden: [22/udp]}", exposes(tcp(22, 22, "22/tcp")), verdict.Pass, "22/tcp"},
		{"ports: {allowed: [8000-8100]}", exposes(tcp(8000, 8100, "8000-8100"), tcp(8100, 8101, "8100-8101")), verdict.Fail, "8100-8101"},
		{"ports: {allowed: [8080/udp]}", zero, verdict.Fail, "8080/tcp"},
		{"ports: {forbidden: [22]}", exposes(evidence.Port{Raw: "ssh"}), verdict.Fail, "ssh"},
		{"ports: {max: 9000}", exposes(evidence.Port{Raw: ""}), verdict.Fail, ""},

		{"entrypoint: required", zero, verdict.Pass, "ENTRYPOINT"},
		{"entrypoint: required", commands(nil, []string{"app"}), verdict.Fail, "entrypoint"},
		{"exec-form: required", zero, verdict.Pass, "no shell"},
		{"exec-form: required", commands(nil, nil), verdict.Fail, "exec-form"},
		{"exec-form: required", commands([]string{"/bin/sh"}, nil), verdict.Pass, "no shell"},
		{"exec-form: required", commands([]string{"/bin/sh", "/run.sh", "-c"}, nil), verdict.Pass, "no shell"},
		{"exec-form: required", commands([]string{"/bin/sh", "-c", "app"}, nil), verdict.Fail, "ENTRYPOINT"},
		{"exec-form: required", commands([]string{"bash", "-o", "pipefail", "-ec", "app"}, nil), verdict.Fail, "ENTRYPOINT"},
		{"exec-form: required", commands([]string{"/usr/bin/env", "bash", "-lc", "app"}, nil), verdict.Fail, "ENTRYPOINT"},
		{"exec-form: required", commands([]string{"/sbin/tini", "-g", "--", "sh", "-c", "app"}, nil), verdict.Fail, "ENTRYPOINT"},
		{"exec-form: required", commands([]string{"/usr/bin/dumb-init", "--", "/app", "sh", "-c", "app"}, nil), verdict.Pass, "no shell"},
		{"exec-form: required", commands([]string{"env", "-i", "A=b", "sh", "-c", "app"}, nil), verdict.Fail, "ENTRYPOINT"},
		{"exec-form: required", commands([]string{"tini", "--"}, []string{"/bin/sh", "-c", "app"}), verdict.Fail, "CMD"},
		{"exec-form: required", commands([]string{`C:\Windows\cmd.exe`, "/S", "/C", "app"}, nil), verdict.Fail, "ENTRYPOINT"},
		{"exec-form: required", commands([]string{evidence.Masked, "-c", "app"}, nil), verdict.Fail, "ENTRYPOINT"},
		{"exec-form: required", commands([]string{"/bin/sh", evidence.Masked, "app"}, nil), verdict.Fail, "ENTRYPOINT"},

		{"healthcheck: required", zero, verdict.Pass, "health check"},
		{"healthcheck: required", func(_ *evidence.Evidence, c *evidence.Config) { c.Healthcheck = nil }, verdict.Fail, "healthcheck"},
		{"healthcheck: required", func(_ *evidence.Evidence, c *evidence.Config) { c.Healthcheck.Test = []string{"NONE"} }, verdict.Fail, "healthcheck"},
		{"healthcheck: required", func(_ *evidence.Evidence, c *evidence.Config) { c.Healthcheck.Test = nil }, verdict.Fail, "healthcheck"},
		{"healthcheck: forbidden", zero, verdict.Fail, "healthcheck"},
		{"healthcheck: forbidden", func(_ *evidence.Evidence, c *evidence.Config) { c.Healthcheck.Test = []string{"NONE"} }, verdict.Pass, "no health check"},

		{"volumes: {forbidden: [/**]}", zero, verdict.Pass, "no volume"},
		{"volumes: {forbidden: [/**]}", func(_ *evidence.Evidence, c *evidence.Config) { c.Volumes = []string{"/", "/a/b"} }, verdict.Fail, "/ /a/b"},
		{"volumes: {allowed: [/data]}", func(_ *evidence.Evidence, c *evidence.Config) { c.Volumes = []string{"/data", "/etc"} }, verdict.Fail, "/etc"},
		{"volumes: {forbidden: [/etc/**]}", func(_ *evidence.Evidence, c *evidence.Config) { c.Volumes = []string{evidence.Masked} }, verdict.Fail, evidence.Masked},

		{"labels: {required: [source]}", zero, verdict.Pass, "2 labels"},
		{"labels: {required: [none, empty, source]}", zero, verdict.Fail, "empty none"},
		{"labels: {values: {source: \"https://.*\", none: x}}", zero, verdict.Fail, "none"},
		{"labels: {values: {source: https}}", zero, verdict.Fail, "source"},
		{"labels: {values: {source: \".*\"}}", func(_ *evidence.Evidence, c *evidence.Config) { c.Labels["source"] = "x" + evidence.Masked }, verdict.Fail, "source"},
		{"labels: {forbidden: [\"s*\"]}", zero, verdict.Fail, "source"},
		{"annotations: {values: {a: b}}", zero, verdict.Pass, "1 annotation"},
		{"annotations: {required: [a]}", func(_ *evidence.Evidence, c *evidence.Config) { c.Annotations = nil }, verdict.Fail, "a"},
		{"annotations: {required: [a]}", func(ev *evidence.Evidence, c *evidence.Config) { c.Annotations, ev.Subject.Digest = nil, "" }, verdict.Error, "no manifest"},
		{"env: {values: {MODE: production}, forbidden: [LD_*]}", zero, verdict.Pass, "2 environment variables"},
		{"env: {values: {MODE: production}}", func(_ *evidence.Evidence, c *evidence.Config) {
			c.Env = append(c.Env, evidence.EnvVar{Name: "MODE", Value: "debug"})
		}, verdict.Fail, "MODE"},
		{"env: {forbidden: [\"LD_*\"]}", func(_ *evidence.Evidence, c *evidence.Config) { c.Env = []evidence.EnvVar{{Name: "LD_PRELOAD"}} }, verdict.Fail, "LD_PRELOAD"},

		{"env-secrets: forbidden", zero, verdict.Pass, "no credential"},
		{"env-secrets: forbidden", func(_ *evidence.Evidence, c *evidence.Config) {
			c.Credentials = []evidence.Credential{{Place: "env", Name: "PASSWORD", Rule: "name"}, {Place: "env", Name: "PASSWORD", Rule: "x"}, {Place: "history", Name: "1", Rule: "x"}}
		}, verdict.Fail, "env:PASSWORD history:1"},
		{"env-secrets: forbidden", func(ev *evidence.Evidence, _ *evidence.Config) {
			ev.Findings = []evidence.Finding{secret("aws", "image config"), secret("aws", "app/.env")}
		}, verdict.Fail, ""},
		{"env-secrets: forbidden", func(ev *evidence.Evidence, c *evidence.Config) {
			f := secret("aws", "image config")
			f.Hash = "sha256:1"
			ev.Findings, c.Credentials = []evidence.Finding{f}, []evidence.Credential{{Place: "env", Name: "K", Rule: "name", Hash: "sha256:1"}}
		}, verdict.Fail, "env:K"},
		{"env-secrets: forbidden", func(ev *evidence.Evidence, _ *evidence.Config) { ev.Coverage.SecretScan = false }, verdict.Error, "not searched"},
		{"env-secrets: forbidden", func(ev *evidence.Evidence, _ *evidence.Config) {
			ev.Problems = []evidence.Problem{{Area: evidence.AreaScan, Message: "m"}}
		}, verdict.Error, "scan"},

		{"history: {forbidden: [\"^ADD \"]}", zero, verdict.Fail, "step:1"},
		{"history: {forbidden: [\"^ADD \"], accept: [\"^ADD \\\\S+ in /$\"]}", zero, verdict.Pass, "2 steps"},
		{"history: {forbidden: [\"^RUN apt-get update$\"]}", steps("RUN /bin/sh -c apt-get update # buildkit", "/bin/sh -c apt-get \t update", "|1 A=b c /bin/sh -c apt-get update", "RUN |2 A=b C=d /bin/bash -o pipefail -c apt-get update # buildkit", "RUN apt-get update && x"), verdict.Fail, "step:1 step:2 step:3 step:4"},
		{"history: {forbidden: [\"^RUN .*upgrade\"]}", steps("RUN x\napt-get upgrade"), verdict.Fail, "step:1"},
		{"history: {forbidden: [upgrade]}", steps("ENV A_TOKEN="+evidence.Masked, `RUN curl -H "Authorization: Bearer `+evidence.Masked+`"`), verdict.Pass, "2 steps"},
		{"history: {forbidden: [upgrade]}", steps("RUN " + evidence.Masked + " -y"), verdict.Fail, "step:1"},
		{"history: {forbidden: [upgrade]}", steps(), verdict.Error, "no history"},
		{"history: {forbidden: [upgrade]}", func(ev *evidence.Evidence, _ *evidence.Config) {
			for range 2 {
				ev.Layers = append(ev.Layers, ev.Layers[0])
			}
		}, verdict.Error, "steps are missing"},

		{"architectures: [arm64, amd64]", zero, verdict.Pass, "amd64"},
		{"architectures: [arm64]", zero, verdict.Fail, "amd64"},
		{"architectures: [arm64/v8]", func(ev *evidence.Evidence, _ *evidence.Config) { ev.Subject.Platform.Architecture = "arm64" }, verdict.Pass, "arm64"},
		{"architectures: [arm/v7]", func(ev *evidence.Evidence, _ *evidence.Config) {
			ev.Subject.Platform.Architecture, ev.Subject.Platform.Variant = "arm", "v6"
		}, verdict.Fail, "arm/v6"},
		{"architectures: [arm64]", func(ev *evidence.Evidence, _ *evidence.Config) { ev.Subject.Platform = evidence.Platform{} }, verdict.Error, "does not name"},

		{"created: {max-age: 10d}", zero, verdict.Pass, "created on 2026-02-28"},
		{"created: {max-age: 9d}", zero, verdict.Fail, "created"},
		{"created: {reproducible: refuse}", dated(now.Add(25 * time.Hour)), verdict.Fail, "created"},
		{"created: {reproducible: refuse}", dated(time.Unix(0, 0)), verdict.Fail, "created"},
		{"created: {reproducible: accept}", dated(time.Unix(1, 0)), verdict.Pass, "reproducible"},
		{"created: {max-age: 9d, reproducible: accept}", zero, verdict.Fail, "created"},
		{"created: {reproducible: refuse}", func(ev *evidence.Evidence, _ *evidence.Config) { ev.Image.Created = nil }, verdict.Fail, "created"},
		{"created: {reproducible: accept}", func(ev *evidence.Evidence, _ *evidence.Config) { ev.Image.Created = nil }, verdict.Pass, "reproducible"},

		{"onbuild: forbidden", zero, verdict.Pass, "no triggers"},
		{"onbuild: forbidden", func(_ *evidence.Evidence, c *evidence.Config) { c.OnBuild = []string{"RUN x", "RUN y"} }, verdict.Fail, "onbuild:1 onbuild:2"},
	} {
		o := outcome(decide(rules(parsed(t, "config", tt.rule)), configured(tt.change)), "r")
		var ids []string
		for _, v := range o.Violations {
			ids = append(ids, v.ID)
			if v.Message == "" {
				t.Errorf("%s: a violation without a message", tt.rule)
			}
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

// TestConfigWaiver: what a rule names can be waived alone.
func TestConfigWaiver(t *testing.T) {
	p, err := policy.Parse("f", []byte(`version: 1
name: x
rules:
  config: [{id: c, env-secrets: forbidden, history: {forbidden: ["^ADD "]}}]
waivers:
  - {id: w1, rule: c, finding: "env:DB_PASSWORD", until: 2026-12-31, reason: r, owner: o}
  - {id: w2, rule: c, finding: "step:1", until: 2026-12-31, reason: r, owner: o}
`))
	if err != nil {
		t.Fatal(err)
	}
	ev := configured(func(_ *evidence.Evidence, c *evidence.Config) {
		c.Credentials = []evidence.Credential{{Place: "env", Name: "DB_PASSWORD", Rule: "name"}, {Place: "env", Name: "TOKEN", Rule: "name"}}
	})
	o := outcome(decide(p, ev), "c")
	if len(o.Waived) != 2 || len(o.Violations) != 1 || o.Violations[0].ID != "env:TOKEN" {
		t.Errorf("%+v", o)
	}
}

// everyPart is a rule for each demand that this language has.
var everyPart = map[string][]string{
	"config": {
		"ports: {min: 1}", "entrypoint: required", "exec-form: required", "healthcheck: required", "healthcheck: forbidden", "volumes: {forbidden: [/x]}",
		"labels: {forbidden: [x]}", "annotations: {forbidden: [x]}", "env: {forbidden: [x]}", "env-secrets: forbidden", "history: {forbidden: [nothing]}",
		"architectures: [amd64]", "created: {reproducible: accept}", "onbuild: forbidden", "user: non-root",
	},
	"runtime": {"read-only-root: required", "capabilities: none", "non-root: required", "no-new-privileges: required"},
}

// TestConfigNotKnown: where nobody read the configuration, nothing passes.
func TestConfigNotKnown(t *testing.T) {
	for group, list := range everyPart {
		for _, rule := range list {
			r := parsed(t, group, rule)
			unread := with(func(ev *evidence.Evidence) {
				ev.Image = evidence.ImageFacts{}
				ev.Problems = []evidence.Problem{{Area: evidence.AreaImage, Message: "m"}}
			})
			for name, ev := range map[string]evidence.Evidence{"not read": unread, "empty": {}} {
				if o := outcome(decide(rules(r), ev), "r"); o.Result != verdict.Error {
					t.Errorf("%s, %s: %s (%s)", rule, name, o.Result, o.Summary)
				}
			}
			damaged := configured(func(ev *evidence.Evidence, c *evidence.Config) {
				ev.Problems = []evidence.Problem{{Area: evidence.AreaIntegrity, Message: "m"}}
			})
			if o := outcome(decide(rules(r), damaged), "r"); o.Result == verdict.Pass || o.Result == verdict.Skip {
				t.Errorf("%s, of an image that is not what it says: %s (%s)", rule, o.Result, o.Summary)
			}
		}
	}
	empty := map[string]policy.ConfigRule{
		"nothing": {}, "ports": {Ports: &policy.PortRule{}}, "volumes": {Volumes: &policy.VolumeRule{}}, "labels": {Labels: &policy.NameRule{}},
		"history": {History: &policy.HistoryRule{}}, "health check": {Healthcheck: "perhaps"}, "expression": {History: &policy.HistoryRule{Forbidden: []string{"("}}},
		"value": {Labels: &policy.NameRule{Values: map[string]string{"source": "("}}}, "glob": {Env: &policy.NameRule{Forbidden: []string{"["}}},
	}
	for name, c := range empty {
		r := policy.Rule{ID: "r", Group: policy.GroupConfig, Action: policy.ActionFail, Config: &c}
		if o := outcome(decide(rules(r), configured(nil)), "r"); o.Result != verdict.Error {
			t.Errorf("a rule that demands nothing (%s): %s", name, o.Result)
		}
	}
}

// TestConfigNamesPlaces: layer and line of what is wrong.
func TestConfigNamesPlaces(t *testing.T) {
	ev := configured(func(ev *evidence.Evidence, c *evidence.Config) {
		ev.Layers = append(ev.Layers, evidence.LayerFacts{DiffID: "sha256:dd", Verification: evidence.LayerVerified})
		c.History = append(c.History, evidence.HistoryEntry{CreatedBy: "RUN /bin/sh -c apt-get update # buildkit"})
		c.Ports = []evidence.Port{{First: 22, Last: 22, Protocol: "tcp", Raw: "22/tcp"}}
		ev.Dockerfile = &evidence.Dockerfile{Path: "Dockerfile", Stages: []evidence.Stage{{Line: 1, Instructions: []evidence.Instruction{
			{Keyword: "EXPOSE", Arguments: "80 22", Line: 5}, {Keyword: "RUN", Arguments: "apt-get  update", Line: 7},
		}}}}
	})
	o := outcome(decide(rules(parsed(t, "config", "ports: {min: 1024}, history: {forbidden: [apt-get]}")), ev), "r")
	type at struct {
		ID, DiffID string
		Line       int
	}
	var got []at
	for _, v := range o.Violations {
		got = append(got, at{v.ID, v.Layer.DiffID, v.Line})
	}
	if diff := cmp.Diff([]at{{"22/tcp", "", 5}, {"step:3", "sha256:dd", 7}}, got); diff != "" {
		t.Error(diff)
	}
}

// FuzzConfig: no panic, and no pass of what nobody read.
func FuzzConfig(f *testing.F) {
	for _, ev := range []evidence.Evidence{{}, good(), configured(nil), configured(steps("RUN |1 A=b /bin/sh -c x", "/bin/sh -c "))} {
		b, err := json.Marshal(ev)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(b)
	}
	var all []policy.Rule
	for _, group := range []string{"config", "runtime"} {
		for i, rule := range everyPart[group] {
			p, err := policy.Parse("f", fmt.Appendf(nil, "version: 1\nname: x\nrules:\n  %s: [{id: r%d, %s}]\n", group, i, rule))
			if err != nil {
				f.Fatal(err)
			}
			p.Rules[0].ID = group + p.Rules[0].ID
			all = append(all, p.Rules[0])
		}
	}
	f.Fuzz(func(t *testing.T, b []byte) {
		var ev evidence.Evidence
		if json.Unmarshal(b, &ev) != nil {
			return
		}
		for _, o := range decide(rules(all...), ev).Subjects[0].Outcomes {
			byUser := o.Rule == "runtimer2" || o.Rule == "configr14"
			if o.Group != verdict.GroupBuiltin && ev.Image.Config == nil && !byUser && (o.Result == verdict.Pass || o.Result == verdict.Skip) {
				t.Errorf("%s passes without a configuration: %s", o.Rule, o.Summary)
			}
		}
		verdict.ProfileOf(ev)
	})
}
