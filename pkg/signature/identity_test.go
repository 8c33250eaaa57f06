// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"strings"
	"testing"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

func summary(issuer, subject string, change ...func(*certificate.Extensions)) certificate.Summary {
	c := certificate.Summary{SubjectAlternativeName: subject, Extensions: certificate.Extensions{Issuer: issuer}}
	for _, f := range change {
		f(&c.Extensions)
	}
	return c
}

func identified(t *testing.T, ids ...Identity) *signer {
	t.Helper()
	compiled, err := compileIdentities(ids)
	if err != nil {
		t.Fatal(err)
	}
	return &signer{identities: compiled}
}

func TestRecognises(t *testing.T) {
	const issuer, dev = "https://issuer.example", "dev@x.example"
	repo := func(s string) func(*certificate.Extensions) {
		return func(e *certificate.Extensions) { e.SourceRepositoryURI = s }
	}
	exact := Identity{Issuer: issuer, Subject: dev}
	re := Identity{IssuerRegExp: `https://issuer\.example`, SubjectRegExp: `dev@x\.example`}
	either := Identity{Issuer: issuer, SubjectRegExp: `dev@x\.example|ops@x\.example`}
	inRepo := Identity{Issuer: issuer, Subject: dev, Extensions: map[string]string{"sourceRepositoryURI": "https://git.example/app"}}
	reRepo := Identity{Issuer: issuer, Subject: dev, ExtensionsRegExp: map[string]string{"sourceRepositoryURI": `https://git\.example/.*`}}
	anyRepo := Identity{Issuer: issuer, Subject: dev, ExtensionsRegExp: map[string]string{"sourceRepositoryURI": `.*`}}
	const ca = "CN=Issuing CA,O=Example"
	ofCA := Identity{Issuer: ca, Subject: dev}
	named := summary(issuer, dev)
	named.CertificateIssuer = ca
	tests := []struct {
		name string
		id   Identity
		cert certificate.Summary
		want bool
	}{
		{"exact", exact, summary(issuer, dev), true},
		{"regexp", re, summary(issuer, dev), true},
		{"alternative", either, summary(issuer, "ops@x.example"), true},
		{"extension", inRepo, summary(issuer, dev, repo("https://git.example/app")), true},
		{"extension by regexp", reRepo, summary(issuer, dev, repo("https://git.example/app")), true},

		{"other issuer", exact, summary("https://issuer.example.evil.com", dev), false},
		{"issuer with slash", exact, summary(issuer+"/", dev), false},
		{"look-alike suffix", re, summary(issuer, "dev@x.example.evil.com"), false},
		{"look-alike prefix", re, summary(issuer, "notdev@x.example"), false},
		{"look-alike issuer", re, summary("https://issuer.example.evil.com", dev), false},
		{"alternative, suffix", either, summary(issuer, "dev@x.example.evil.com"), false},
		{"alternative, prefix", either, summary(issuer, "evil-ops@x.example"), false},
		{"newline after", re, summary(issuer, dev+"\n"), false},
		{"newline before", re, summary(issuer, "evil\n"+dev), false},
		{"newline and more", re, summary(issuer, dev+"\nevil"), false},
		{"newline after, exact", exact, summary(issuer, dev+"\n"), false},
		{"case", exact, summary(issuer, "Dev@x.example"), false},
		{"case by regexp", re, summary(issuer, "DEV@X.EXAMPLE"), false},
		{"cyrillic", exact, summary(issuer, "d\u0435v@x.example"), false},
		{"combining", re, summary(issuer, "dev@x.example\u0301"), false},
		{"zero width", exact, summary(issuer, "dev@x.example\u200b"), false},
		{"NUL", re, summary(issuer, "dev@x.example\x00.evil.com"), false},
		{"invalid UTF-8", re, summary(issuer, "dev@x.example\xff"), false},
		{"no subject", exact, summary(issuer, ""), false},
		{"no issuer", exact, summary("", dev), false},
		{"nothing", exact, certificate.Summary{}, false},
		{"nothing matches an empty value", Identity{IssuerRegExp: ".*", SubjectRegExp: "x*"}, certificate.Summary{}, false},
		{"other repository", inRepo, summary(issuer, dev, repo("https://git.example/other")), false},
		{"other repository by regexp", reRepo, summary(issuer, dev, repo("https://evil.example/https://git.example/app")), false},
		{"no repository", inRepo, summary(issuer, dev), false},
		{"no repository by regexp", anyRepo, summary(issuer, dev), false},
		{"authority by name", ofCA, certificate.Summary{CertificateIssuer: ca, SubjectAlternativeName: dev}, true},
		{"authority called like an OIDC issuer", exact, certificate.Summary{CertificateIssuer: "CN=" + issuer, SubjectAlternativeName: dev}, false},
		{"authority by name, below an OIDC issuer", ofCA, named, false},
		{"other authority", ofCA, certificate.Summary{CertificateIssuer: ca + ",C=XX", SubjectAlternativeName: dev}, false},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ok, reason := identified(t, test.id).recognises(test.cert)
			if ok != test.want || ok != (reason == "") {
				t.Errorf("%t, reason %q", ok, reason)
			}
			if strings.ContainsAny(reason, "\n\x00") || len(reason) > maxLine+4 {
				t.Errorf("reason %q", reason)
			}
		})
	}
}

func TestRecognisesAnyOfSeveral(t *testing.T) {
	s := identified(t, Identity{Issuer: "https://a", Subject: "one"}, Identity{Issuer: "https://b", Subject: "two"})
	if ok, _ := s.recognises(summary("https://b", "two")); !ok {
		t.Error("the second is not recognised")
	}
	// No mixture of them.
	ok, reason := s.recognises(summary("https://b", "one"))
	if ok || reason != `the certificate has the subject "one"; wanted "two" (nor is it the other identity)` {
		t.Errorf("%t %s", ok, reason)
	}
	if ok, _ := (&signer{}).recognises(summary("https://a", "one")); ok {
		t.Error("no identities are anybody")
	}
}

func TestReasonIsBounded(t *testing.T) {
	long := strings.Repeat("\u00e9", 1<<20)
	_, reason := identified(t, Identity{Issuer: "https://a", SubjectRegExp: "x{1,500}"}).recognises(summary("https://a", long))
	if len(reason) > maxLine+4 || !strings.Contains(reason, "wanted") {
		t.Errorf("%d bytes: %s", len(reason), reason)
	}
}

// extensionNames are policy.CertificateExtensions, which this package may not import.
var extensionNames = []string{
	"githubWorkflowTrigger", "githubWorkflowSHA", "githubWorkflowName", "githubWorkflowRepository", "githubWorkflowRef",
	"buildSignerURI", "buildSignerDigest", "runnerEnvironment", "sourceRepositoryURI", "sourceRepositoryDigest", "sourceRepositoryRef",
	"sourceRepositoryIdentifier", "sourceRepositoryOwnerURI", "sourceRepositoryOwnerIdentifier", "buildConfigURI", "buildConfigDigest",
	"buildTrigger", "runInvocationURI", "sourceRepositoryVisibilityAtSigning",
}

func TestEveryExtension(t *testing.T) {
	all := certificate.Extensions{
		Issuer: "https://a", GithubWorkflowTrigger: "1", GithubWorkflowSHA: "2", GithubWorkflowName: "3", GithubWorkflowRepository: "4",
		GithubWorkflowRef: "5", BuildSignerURI: "6", BuildSignerDigest: "7", RunnerEnvironment: "8", SourceRepositoryURI: "9",
		SourceRepositoryDigest: "10", SourceRepositoryRef: "11", SourceRepositoryIdentifier: "12", SourceRepositoryOwnerURI: "13",
		SourceRepositoryOwnerIdentifier: "14", BuildConfigURI: "15", BuildConfigDigest: "16", BuildTrigger: "17", RunInvocationURI: "18",
		SourceRepositoryVisibilityAtSigning: "19",
	}
	seen := map[string]bool{}
	for _, name := range extensionNames {
		value, ok := extensionValue(all, name)
		if !ok || value == "" || seen[value] {
			t.Errorf("%s is %q, %t", name, value, ok)
		}
		seen[value] = true
		cert := certificate.Summary{SubjectAlternativeName: "s", Extensions: all}
		id := Identity{Issuer: "https://a", Subject: "s", Extensions: map[string]string{name: value}}
		if ok, why := identified(t, id).recognises(cert); !ok {
			t.Errorf("%s: %s", name, why)
		}
		id.Extensions[name] = value + "0"
		if ok, _ := identified(t, id).recognises(cert); ok {
			t.Errorf("%s: another value is accepted", name)
		}
		id.Extensions[name] = value
		if ok, _ := identified(t, id).recognises(summary("https://a", "s")); ok {
			t.Errorf("%s: none is accepted", name)
		}
	}
}

func TestIdentitiesRefused(t *testing.T) {
	tests := []struct {
		name string
		ids  []Identity
		want string
	}{
		{"none", nil, "it names no identity"},
		{"empty", []Identity{{}}, "issuer: is missing"},
		{"no subject", []Identity{{Issuer: "https://a"}}, "subject: is missing"},
		{"no issuer", []Identity{{Subject: "s"}}, "issuer: is missing"},
		{"both", []Identity{{Issuer: "https://a", IssuerRegExp: "a", Subject: "s"}}, "both"},
		{"second is empty", []Identity{{Issuer: "https://a", Subject: "s"}, {}}, "identity 2"},
		{"no regexp", []Identity{{Issuer: "https://a", SubjectRegExp: "("}}, "missing closing"},
		{"out of our brackets", []Identity{{Issuer: "https://a", SubjectRegExp: "a)|(?:b"}}, "unexpected )"},
		{"quoting our end", []Identity{{Issuer: "https://a", SubjectRegExp: `\Qdev`}}, "missing closing"},
		{"backslash", []Identity{{Issuer: "https://a", SubjectRegExp: `dev\`}}, "trailing backslash"},
		{"unknown extension", []Identity{{Issuer: "https://a", Subject: "s", Extensions: map[string]string{"repo": "x"}}}, `"repo" is no certificate extension`},
		{"the issuer is no such extension", []Identity{{Issuer: "https://a", Subject: "s", Extensions: map[string]string{"issuer": "x"}}}, "no certificate extension"},
		{"empty extension", []Identity{{Issuer: "https://a", Subject: "s", Extensions: map[string]string{"buildTrigger": ""}}}, "buildTrigger: is missing"},
		{"empty regexp", []Identity{{Issuer: "https://a", Subject: "s", ExtensionsRegExp: map[string]string{"buildTrigger": ""}}}, "buildTrigger: is missing"},
	}
	for _, test := range tests {
		t.Run(test.name, func(t *testing.T) {
			ids, err := compileIdentities(test.ids)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("%v, error %v", ids, err)
			}
		})
	}
}

func TestFlagsStayInsideOfTheAnchors(t *testing.T) {
	s := identified(t, Identity{Issuer: "https://a", SubjectRegExp: `(?m)^dev$`})
	for _, subject := range []string{"dev\nevil", "evil\ndev"} {
		if ok, _ := s.recognises(summary("https://a", subject)); ok {
			t.Errorf("%q is accepted", subject)
		}
	}
	if ok, why := s.recognises(summary("https://a", "dev")); !ok {
		t.Error(why)
	}
}
