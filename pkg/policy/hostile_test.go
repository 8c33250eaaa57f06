// SPDX-License-Identifier: Apache-2.0

package policy_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/policy"
)

const valid = "version: 1\nname: x\nrules: {secrets: [{id: a}]}\n"

// hostile are files that nobody would write by mistake, and files in encodings
// that an editor or git would change if they stood in testdata.
func hostile() map[string]struct{ data, want string } {
	return map[string]struct{ data, want string }{
		"empty":                {"", "f:1:1: the file is empty"},
		"only a BOM":           {"\ufeff", "f:1:1: the file is empty"},
		"only a document mark": {"---\n", "f:1:1: the file is empty"},
		"BOM inside":           {"version: 1\n\ufeffname: x\n", "f:2:1: character U+FEFF"},
		"NUL":                  {"version: 1\nname: \x00\n", "f:2:7: character U+0000"},
		"UTF-16":               {"\xff\xfev\x00e\x00", "f:1:1: the file is not UTF-8"},
		"Latin-1":              {"version: 1\nname: h\xe4user\n", "f:2:8: the file is not UTF-8"},
		"escape sequence":      {"name: \x1b[31m\n", "f:1:7: character U+001B"},
		"lone CR":              {"version: 1 # old\rname: x\n", "f:1:17: character U+000D"},
		"CR at the end":        {valid + "\r", "f:4:1: character U+000D"},
		"hidden line break":    {"# harmless\u2028name: x\n", "f:1:11: character U+2028"},
		"bidi":                 {"name: \u202egnihton\n", "f:1:7: character U+202E"},
		"too large":            {valid + strings.Repeat("#", policy.MaxSize), "f:1:1: the file has 1048623 bytes"},
		"deep flow":            {valid + "x: " + strings.Repeat("[", 9000) + strings.Repeat("]", 9000), "nested more than 20 levels"},
		"deeper flow":          {valid + "x: " + strings.Repeat("[", 500_000), "not valid YAML: exceeded max depth"},
		"deep block":           {valid + "x:\n" + stairs(1200), "nested more than 20 levels"},
		"deep sequence":        {valid + "x:\n  " + strings.Repeat("- ", 9000) + "1", "nested more than 20 levels"},
		"many keys":            {valid + manyKeys(60_000), "unknown key \"k59999\""},
		"many repetitions":     {valid + strings.Repeat("name: y\n", 60_000), "duplicate key \"name\", first at 2:1"},
		"long key":             {valid + strings.Repeat("k", 900_000) + ": 1\n", ""},
		"many rules":           {"version: 1\nname: x\nrules:\n  secrets:\n" + strings.Repeat("    - id: a\n", 80_000), "is taken by the rule at 5:11"},
		"many comments":        {strings.Repeat("#\n", 300_000) + valid + "k: 1\n", "unknown key"},
		"many anchors":         {valid + "x: [" + strings.Repeat("&a b, *a, ", 50_000) + "]", "aliases are not allowed"},
		"unknown anchors":      {valid + "x: *hunter2", "an alias stands for nothing"},
		"a private key":        {valid + "authorities: [{name: a, key: {data: \"-----BEGIN PRIVATE KEY-----hunter2\"}}]\n", "holds a private key"},
		"a key as authority":   {valid + "authorities: |\n  -----BEGIN PRIVATE KEY-----\n  hunter2\n", "must be a list"},
		"a key as key":         {valid + "authorities: [{name: a, key: \"-----BEGIN PRIVATE KEY-----hunter2\"}]\n", "must be a mapping"},
		"a value as variable":  {valid + "authorities: [{name: a, key: {env: \"hunter2=\"}}]\n", "is not the name of an environment variable"},
		"a password in a URI":  {valid + "authorities: [{name: a, key: {kms: \"hashivault://u:hunter2@h/k\"}}]\n", "has more than the name of a key"},
		"a password in a URL":  {valid + "authorities: [{name: a, key: {env: A, trusted-root: {tuf: {mirror: \"https://u:hunter2@h/k\", root: r}}}}]\n", "is no URL of a mirror"},
		"a secret in a root":   {valid + "authorities: [{name: a, key: {env: A, trusted-root: {data: \"{hunter2\"}}}]\n", "is no JSON object"},
		"a long root":          {valid + "authorities: [{name: a, key: {env: A, trusted-root: {data: \"{" + strings.Repeat("[", 300_000) + "\"}}}]\n", "is longer than 262144 characters"},
		"a deep root":          {valid + "authorities: [{name: a, key: {env: A, trusted-root: {data: '{\"a\":" + strings.Repeat("[", 200_000) + "'}}}]\n", "is no JSON object"},
		"deep conditions":      {attestation("path: a, equals: " + strings.Repeat("[", 5_000) + strings.Repeat("]", 5_000)), "nested more than 20 levels"},
		"a long path":          {attestation("present: true, path: '" + strings.Repeat("a.", 400_000) + "a'"), "path is longer than"},
		"a path of stars":      {attestation("present: true, path: 'a" + strings.Repeat("[*]", 60) + "'"), "has more than 20 steps"},
		"a path of brackets":   {attestation("present: true, path: '" + strings.Repeat("[", 200) + "'"), "is no path"},
		"a path of quotes":     {attestation("present: true, path: 'a[\"\"]\"]'"), "is no path"},
		"an escape in a name":  {valid + "authorities: [{name: a, keyless: {identities: [{issuer: i, subject: s, extensions: {\"\\e[31m\": x}}]}}]\n", "is no certificate extension"},
		"many conditions":      {attestation("path: a, equals: 1}, " + strings.Repeat("{path: }, ", 15_000) + "{path: b, equals: 1"), "path has no value"},
		"many identities":      {valid + "authorities: [{name: a, keyless: {identities: [" + strings.Repeat("{issuer: i}, ", 15_000) + "]}}]\n", "needs one of subject"},
		"nested repetition":    {attestation("path: a, matches: '((((a{30}){30}){30}){30})'"), "is not a regular expression"},
		"wide repetition":      {attestation("path: a, matches: '" + strings.Repeat("a{1000}", 25) + "'"), "stands for more than 2000 characters"},
		"deep expression":      {attestation("path: a, matches: '" + strings.Repeat("(", 99) + strings.Repeat(")", 98) + "'"), "is not a regular expression"},
		"no second line":       {"version: 1\nname: x\n?", "required key \"rules\"|the policy has no rules"},
	}
}

// attestation is a policy whose one attestation rule has a condition.
func attestation(condition string) string {
	return valid + "authorities: [{name: a, key: {env: A}}]\n" + "images: [{match: [a], rules: {attestations: [{id: b, predicateType: vuln, authorities: [a], conditions: [{" + condition + "}]}]}}]\n"
}

func stairs(n int) string {
	var b strings.Builder
	for i := range n {
		b.WriteString(strings.Repeat(" ", i+1) + "a:\n")
	}
	return b.String()[:min(b.Len(), 1_000_000)]
}

func manyKeys(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "k%d: 1\n", i)
	}
	return b.String()
}

func TestHostile(t *testing.T) {
	for name, test := range hostile() {
		t.Run(name, func(t *testing.T) {
			begin := time.Now()
			_, err := policy.Parse("f", []byte(test.data))
			var parseError *policy.ParseError
			if !errors.As(err, &parseError) {
				t.Fatalf("got %v", err)
			}
			got := err.Error()
			found := false
			for want := range strings.SplitSeq(test.want, "|") {
				found = found || strings.Contains(got, want)
			}
			if !found {
				t.Errorf("want %q in %.500q", test.want, got)
			}
			if strings.Contains(got, "hunter2") || longest(got) > 400 {
				t.Errorf("quotes content: %.500q", got)
			}
			// Generous, for slow machines under the race detector; what it catches is
			// quadratic time, which takes minutes here.
			if d := time.Since(begin); d > 20*time.Second {
				t.Errorf("took %v", d)
			}
		})
	}
}

func longest(s string) (n int) {
	for line := range strings.Lines(s) {
		n = max(n, len(line))
	}
	return n
}

// TestEncodings are the differences between editors that do not matter.
func TestEncodings(t *testing.T) {
	for name, data := range map[string]string{
		"BOM":              "\ufeff" + valid,
		"CRLF":             strings.ReplaceAll(valid, "\n", "\r\n"),
		"no final newline": strings.TrimSuffix(valid, "\n"),
		"document marks":   "---\n" + valid + "...\n",
		"comments around":  "# a\n\n" + valid + "# b\n",
		"JSON":             `{"version": 1, "name": "x", "rules": {"secrets": [{"id": "a"}]}}`,
		"largest":          valid + strings.Repeat("#", policy.MaxSize-len(valid)),
		"text":             "version: 1\nname: Прод 日本 🚀 é\nrules: {secrets: [{id: a}]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := policy.Parse("f", []byte(data)); err != nil {
				t.Error(err)
			}
		})
	}
}

// TestNoForeignContent hands the parser files that somebody might name by mistake,
// or be made to name; no line of theirs may come out.
func TestNoForeignContent(t *testing.T) {
	const secret = "hunter2"
	for name, data := range map[string]string{
		"shadow":      "root:$6$hunter2:19000:0:99999:7:::\ndaemon:*:19000:0:99999:7:::\n",
		"key":         "-----BEGIN PRIVATE KEY-----\nhunter2\n-----END PRIVATE KEY-----\n",
		"dotenv":      "PASSWORD=hunter2\nTOKEN=hunter2: x\n",
		"docker":      `{"auths": {"registry.example.com": {"auth": "hunter2"}}}`,
		"kubeconfig":  "apiVersion: v1\nusers:\n- user: {token: hunter2}\n",
		"list":        "- hunter2\n",
		"tab":         "a:\n\thunter2\n",
		"alias":       "a: *hunter2\n",
		"tag":         "a: !hunter2 x\n",
		"tag handle":  "a: !hunter2!x y\n",
		"directive":   "%hunter2 x\n---\na: b\n",
		"compose":     "name: x\nservices: {db: {environment: {PASSWORD: hunter2}}}\n",
		"second part": "name: x\n---\npassword: hunter2\n",
	} {
		t.Run(name, func(t *testing.T) {
			_, err := policy.Parse("f", []byte(data))
			if err == nil || strings.Contains(err.Error(), secret) {
				t.Errorf("got %v", err)
			}
		})
	}
}

func FuzzParse(f *testing.F) {
	for _, dir := range []string{"ok", "err"} {
		for _, file := range corpus(f, dir) {
			f.Add(read(f, file))
		}
	}
	for _, test := range hostile() {
		if len(test.data) < 1000 {
			f.Add([]byte(test.data))
		}
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		p, err := policy.Parse("f", data)
		if err == nil {
			checkPolicy(t, p)
			return
		}
		var parseError *policy.ParseError
		if p != nil || !errors.As(err, &parseError) {
			t.Fatalf("policy %v, error %v", p, err)
		}
		checkDiagnostics(t, data, parseError)
	})
}

// checkPolicy checks what deciding relies on.
func checkPolicy(t *testing.T, p *policy.Policy) {
	t.Helper()
	if p.Name == "" || len(p.Rules) == 0 || p.Database.MaxAge <= 0 || p.Platforms.All == (len(p.Platforms.List) > 0) {
		t.Errorf("incomplete: %+v", p)
	}
	ids := map[string]bool{}
	for _, r := range p.Rules {
		if r.ID == "" || ids[r.ID] || r.Title == "" || r.Remediation == "" || r.Position.Line < 1 ||
			r.Action != policy.ActionFail && r.Action != policy.ActionWarn {
			t.Errorf("incomplete: %+v", r)
		}
		ids[r.ID] = true
		groups := 0
		for _, set := range []bool{
			r.Vulnerabilities != nil, r.Secrets != nil, r.Base != nil, r.Config != nil, r.Files != nil, r.Layers != nil,
			r.Packages != nil, r.Licences != nil, r.Reference != nil, r.Runtime != nil, r.Signatures != nil, r.Attestations != nil, r.Custom != nil,
		} {
			if set {
				groups++
			}
		}
		if groups != 1 || r.Vulnerabilities != nil && (selectsAll(*r.Vulnerabilities) || r.Vulnerabilities.Max < 0) {
			t.Errorf("incomplete: %+v", r)
		}
	}
	checkAuthorities(t, p)
	for _, w := range p.Waivers {
		if w.ID == "" || w.Rule == "" && w.Finding == "" || w.Rule != "" && !ids[w.Rule] ||
			w.Until.IsZero() || w.Reason == "" || w.Owner == "" || w.Position.Line < 1 {
			t.Errorf("incomplete: %+v", w)
		}
	}
}

// checkAuthorities checks that everybody who is named is somebody.
func checkAuthorities(t *testing.T, p *policy.Policy) {
	t.Helper()
	seen := map[string]bool{}
	for _, a := range p.Authorities {
		if a.Name == "" || seen[a.Name] || (a.Key == nil) == (a.Keyless == nil) || a.Position.Line < 1 {
			t.Errorf("incomplete: %+v", a)
		}
		seen[a.Name] = true
		if k := a.Key; k != nil && (k.Data == "" && k.File == nil && k.Env == "" && k.KMS == "" || k.HashAlgorithm == "") {
			t.Errorf("incomplete: %+v", a)
		}
		if a.Keyless == nil {
			continue
		}
		for _, id := range a.Keyless.Identities {
			if (id.Issuer == "") == (id.IssuerRegExp == "") || (id.Subject == "") == (id.SubjectRegExp == "") {
				t.Errorf("incomplete: %+v", a)
			}
		}
		if len(a.Keyless.Identities) == 0 {
			t.Errorf("incomplete: %+v", a)
		}
	}
	signers := func(r policy.Rule, s policy.Signers) {
		if len(s.Authorities) == 0 || s.Min < 1 || s.Min > len(s.Authorities) || s.Of != policy.SignedImage && s.Of != policy.SignedBase {
			t.Errorf("incomplete: %+v", r)
		}
		for _, name := range s.Authorities {
			if !seen[name] || p.Authority(name) == nil {
				t.Errorf("%s names %q", r.ID, name)
			}
		}
	}
	for _, r := range p.Rules {
		if r.Signatures != nil {
			signers(r, r.Signatures.Signers)
		}
		if r.Base != nil && len(r.Base.SignedBy) > 0 {
			signers(r, policy.Signers{Of: policy.SignedBase, Authorities: r.Base.SignedBy, Min: 1})
		}
		if a := r.Attestations; a != nil {
			signers(r, a.Signers)
			if len(a.PredicateTypes) == 0 {
				t.Errorf("incomplete: %+v", r)
			}
			for _, c := range a.Conditions {
				if c.Path == "" || len(c.Steps) == 0 || c.Equals == nil && c.OneOf == nil && c.NoneOf == nil && c.Matches == "" &&
					c.AtLeast == nil && c.AtMost == nil && c.MaxAge == 0 && c.Present == nil {
					t.Errorf("a condition that demands nothing: %+v", c)
				}
			}
		}
	}
}

// selectsAll is true for a rule that no policy can contain.
func selectsAll(r policy.VulnerabilityRule) bool {
	return len(r.Severities) == 0 && !r.KnownExploited && r.CVSS == nil && r.EPSS == nil && !r.EndOfLife
}
