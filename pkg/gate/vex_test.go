// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"context"
	"crypto/ed25519"
	"crypto/rand"
	"crypto/x509"
	"encoding/base64"
	"encoding/pem"
	"io/fs"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/verdict"
)

type vexFiles map[string]string

func (f vexFiles) Load(_ context.Context, reference string, _ *policy.Document) (*policy.Document, error) {
	open := func(_ context.Context, path string) ([]byte, error) {
		if s, ok := f[path]; ok {
			return []byte(s), nil
		}
		return nil, fs.ErrNotExist
	}
	data, err := open(context.Background(), reference)
	return &policy.Document{Source: reference, Data: data, Open: open}, err
}

const vexTemplate = `{"@context": "https://openvex.dev/ns/v0.2.0", "author": "A team", "timestamp": "2026-11-01T00:00:00Z", "statements": [
	{"vulnerability": {"name": "CVE-1"}, "products": ["pkg:golang/m@1"], "status": "STATUS"}]}`

func statement(status string) string { return strings.Replace(vexTemplate, "STATUS", status, 1) }

const notAffected = `not_affected", "justification": "component_not_present`

func vulnerable(context.Context) (*evidence.Evidence, error) {
	e, err := clean(context.Background())
	e.Packages[0].PURL = "pkg:golang/m@1"
	e.Findings = []evidence.Finding{{Kind: evidence.KindVulnerability, ID: "CVE-1", Severity: evidence.SeverityCritical, Package: &e.Packages[0]}}
	return e, err
}

// TestVEX pins which statements remove a violation: those of documents that the
// policy names and believes, of the level of the rule.
func TestVEX(t *testing.T) {
	const rules = "rules: {vulnerabilities: [{id: critical, severity: [critical, unknown]}]}\n"
	for name, tt := range map[string]struct {
		feeds, enforced string
		vex             string
		want            verdict.Status
		note            string
	}{
		"no document":                 {want: verdict.Failed},
		"not affected":                {feeds: "[{file: vex.json}]", vex: statement(notAffected), want: verdict.Passed},
		"without a justification":     {feeds: "[{file: vex.json}]", vex: statement("not_affected"), want: verdict.Failed},
		"fixed":                       {feeds: "[{file: vex.json}]", vex: statement("fixed"), want: verdict.Passed},
		"affected":                    {feeds: "[{file: vex.json}]", vex: statement("affected"), want: verdict.Failed},
		"under investigation":         {feeds: "[{file: vex.json}]", vex: statement("under_investigation"), want: verdict.Failed},
		"broken":                      {feeds: "[{file: vex.json}]", vex: "{", want: verdict.Failed, note: "not a JSON document"},
		"author":                      {feeds: "[{file: vex.json, author: [B, A team]}]", vex: statement(notAffected), want: verdict.Passed},
		"another author":              {feeds: "[{file: vex.json, author: [B, A]}]", vex: statement(notAffected), want: verdict.Failed, note: "it is by A team, and the policy wants B or A"},
		"format":                      {feeds: "[{file: vex.json, format: openvex}]", vex: statement(notAffected), want: verdict.Passed},
		"another format":              {feeds: "[{file: vex.json, format: csaf}]", vex: statement(notAffected), want: verdict.Failed, note: "it is openvex, not csaf"},
		"young enough":                {feeds: "[{file: vex.json, max-age: 23d}]", vex: statement(notAffected), want: verdict.Passed},
		"too old":                     {feeds: "[{file: vex.json, max-age: 22d}]", vex: statement(notAffected), want: verdict.Failed, note: "it is of 2026-11-01, older than"},
		"of a time to come":           {feeds: "[{file: vex.json, max-age: 23d}]", vex: strings.Replace(statement(notAffected), "2026-11-01", "2036-11-01", 1), want: verdict.Failed, note: "it is of 2036-11-01, which is yet to come"},
		"own document, enforced rule": {feeds: "[{file: vex.json}]", enforced: "version: 1\nname: e\n" + rules, vex: statement(notAffected), want: verdict.Failed},
		"enforced document, own rule": {enforced: "version: 1\nname: e\nfeeds: {vex: [{file: vex.json}]}\nrules: {secrets: [{id: s}]}\n", vex: statement(notAffected), want: verdict.Passed},
		"enforced document and rule":  {enforced: "version: 1\nname: e\nfeeds: {vex: [{file: vex.json}]}\n" + rules, vex: statement(notAffected), want: verdict.Passed},
		"documents of two levels":     {feeds: "[{file: none.json}]", enforced: "version: 1\nname: e\nfeeds: {vex: [{file: vex.json}]}\n" + rules, vex: statement(notAffected), want: verdict.Passed},
	} {
		t.Run(name, func(t *testing.T) {
			own := "version: 1\nname: t\n"
			if !strings.Contains(tt.enforced, "severity") {
				own += rules
			}
			if tt.feeds != "" {
				own += "feeds: {vex: " + tt.feeds + "}\n"
			}
			req := policy.Request{Policy: "own.yaml"}
			if tt.enforced != "" {
				req.Enforce = []policy.Enforced{{Reference: "enforced.yaml"}}
			}
			p, err := policy.Load(t.Context(), req, vexFiles{"own.yaml": own, "enforced.yaml": tt.enforced, "vex.json": tt.vex, "none.json": "{}"})
			if err != nil {
				t.Fatal(err)
			}
			g := gateOf(index{"linux/amd64"}, vulnerable)
			g.Scanner = scanFunc(func(ctx context.Context) (*evidence.Evidence, error) {
				e, err := vulnerable(ctx)
				e.Coverage.SecretScan = true
				return e, err
			})
			v, err := g.Check(t.Context(), Request{Reference: "oci:x", Policy: p, EffectiveTime: at})
			if err != nil {
				t.Fatal(err)
			}
			if v.Status != tt.want {
				t.Errorf("%s, %+v", v.Status, v.Subjects[0].Outcomes)
			}
			if notes := strings.Join(v.Notes, "\n"); tt.note != "" && !strings.Contains(notes, tt.note) {
				t.Errorf("notes %q", notes)
			}
			if tt.want != verdict.Passed {
				return
			}
			for _, o := range v.Subjects[0].Outcomes {
				if o.Rule == "critical" && (len(o.Waived) != 1 || o.Waived[0].Waiver != "vex:vex.json" || o.Waived[0].VEX == nil || o.Waived[0].VEX.Author != "A team") {
					t.Errorf("%+v", o.Waived)
				}
			}
		})
	}
}

// TestSignedVEX: a document whose signature the policy wants is believed only if the
// key made it.
func TestSignedVEX(t *testing.T) {
	public, private, err := ed25519.GenerateKey(rand.Reader)
	if err != nil {
		t.Fatal(err)
	}
	der, err := x509.MarshalPKIXPublicKey(public)
	if err != nil {
		t.Fatal(err)
	}
	document := statement(notAffected)
	files := func(signed string) vexFiles {
		return vexFiles{
			"vex.json": document, "vendor.pub": string(pem.EncodeToMemory(&pem.Block{Type: "PUBLIC KEY", Bytes: der})),
			"vex.json.sig": base64.StdEncoding.EncodeToString(ed25519.Sign(private, []byte(signed))),
			"p": "version: 1\nname: t\nfeeds: {vex: {file: vex.json, signature: vex.json.sig, key: {file: vendor.pub}}}\n" +
				"rules: {vulnerabilities: [{id: critical, severity: [critical, unknown]}]}\n",
		}
	}
	for signed, want := range map[string]verdict.Status{document: verdict.Passed, document + " ": verdict.Failed} {
		p, err := policy.Load(t.Context(), policy.Request{Policy: "p"}, files(signed))
		if err != nil {
			t.Fatal(err)
		}
		v, err := gateOf(index{"linux/amd64"}, vulnerable).Check(t.Context(), Request{Reference: "oci:x", Policy: p, EffectiveTime: at})
		if err != nil || v.Status != want {
			t.Errorf("%s, want %s: %v", v.Status, want, err)
		}
		if notes := strings.Join(v.Notes, "\n"); (want == verdict.Failed) != strings.Contains(notes, "not by the key") {
			t.Errorf("notes %q", notes)
		}
	}
	half := files(document)
	half["p"] = strings.Replace(half["p"], ", key: {file: vendor.pub}", "", 1)
	if _, err := policy.Load(t.Context(), policy.Request{Policy: "p"}, half); err == nil || !strings.Contains(err.Error(), "belong together") {
		t.Errorf("a signature without a key: %v", err)
	}
}
