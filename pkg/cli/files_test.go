// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"os"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

const filesPolicy = `version: 1
name: files
database: {max-age: 520w}
coverage: {packages: optional}
rules:
  files:
    - id: privileges
      setuid: [/bin/su, /usr/bin/passwd]
      world-writable: forbidden
      devices: forbidden
    - id: strangers
      forbidden: [/etc/cron.d/*]
      forbidden-classes: [version-control, dotenv, private-key, credentials, compiler, cache]
    - id: hidden
      hidden: ["/tmp/**"]
  layers:
    - id: lean
      max-wasted: 1KiB
      max-growth: 1%
`

// TestFilesOfRealImages judges the project's real images: what planted-truth.json lists
// is found, and the cache makes no difference.
func TestFilesOfRealImages(t *testing.T) {
	cases := map[string]map[string][]string{
		"planted.oci.tar": {
			"privileges": {
				"/etc/cron.d/job world-writable", "/opt/job.sh world-writable", "/opt/shared world-writable",
				"/usr/local/bin/sgid-tool setgid", "/usr/local/bin/suid-tool setuid",
			},
			"strangers": {
				"/app/.env dotenv", "/app/.git version-control", "/app/.npmrc credentials", "/etc/cron.d/job forbidden", "/etc/nginx/tls.key private-key",
				"/root/.aws/credentials credentials", "/root/.ssh/id_rsa private-key",
			},
			"hidden": {"/tmp/build/aws.txt hidden", "/tmp/build/deploy_key hidden"},
			"lean":   {" max-wasted"},
		},
		"alpine-3.10.3.tar": {},
		"alpine-3.20.3.tar": {"lean": {" max-growth"}},
		"debian-node-zstd.oci.tar": {
			"privileges": {
				"/usr/bin/chage setgid", "/usr/bin/chfn setuid", "/usr/bin/chsh setuid", "/usr/bin/expiry setgid", "/usr/bin/gpasswd setuid",
				"/usr/bin/mount setuid", "/usr/bin/newgrp setuid", "/usr/bin/umount setuid", "/usr/sbin/unix_chkpwd setgid",
			},
			"strangers": {"/etc/cron.d/e2scrub_all forbidden"},
			"lean":      {" max-wasted", " max-growth"},
		},
	}
	p := newProcess(t)
	if err := os.WriteFile(p.policy, []byte(filesPolicy), 0o600); err != nil {
		t.Fatal(err)
	}
	for name, want := range cases {
		t.Run(name, func(t *testing.T) {
			var reports [2]string
			for i := range reports {
				cmd, out, errs := p.command(shared(t, name), "--baseline", shared(t, "alpine-3.10.3.tar"), "--output", "json",
					"--effective-time", "2026-11-24", "--allow-past")
				_ = cmd.Run() // fails or not as the image deserves
				if reports[i] = out.String(); reports[i] == "" {
					t.Fatal(errs.String())
				}
			}
			if reports[0] != reports[1] {
				t.Error("the second run, from the cache, has other bytes")
			}
			if diff := cmp.Diff(want, violations(t, reports[0], "privileges", "strangers", "hidden", "lean")); diff != "" {
				t.Error(diff)
			}
		})
	}
}

// violations are the paths and ids of the violations of rules, by rule. A rule without any must
// have passed.
func violations(t *testing.T, report string, rules ...string) map[string][]string {
	t.Helper()
	var r struct {
		Subjects []struct {
			Outcomes []struct {
				Rule, Result, Summary string
				Violations            []struct{ Path, ID string }
			}
		}
	}
	if err := json.Unmarshal([]byte(report), &r); err != nil {
		t.Fatal(err)
	}
	found := map[string][]string{}
	for _, o := range r.Subjects[0].Outcomes {
		if !strings.Contains(" "+strings.Join(rules, " ")+" ", " "+o.Rule+" ") {
			continue
		}
		if o.Result != "pass" && o.Result != "fail" {
			t.Errorf("%s: %s", o.Rule, o.Summary)
		}
		for _, v := range o.Violations {
			found[o.Rule] = append(found[o.Rule], v.Path+" "+v.ID)
		}
	}
	return found
}
