// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"cmp"
	"errors"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"github.com/sigstore/sigstore-go/pkg/fulcio/certificate"
)

// identity is a compiled Identity.
type identity struct {
	Identity
	issuer, subject pattern
	extensions      []extension
}

// extension is a demand on one of a certificate's extensions.
type extension struct {
	name string
	want pattern
}

// pattern is an exact value or, where re is set, a regular expression for the whole of one.
type pattern struct {
	exact string
	re    *regexp.Regexp
}

// matches never accepts the empty value: what a certificate lacks matches nothing.
func (p pattern) matches(s string) bool {
	switch {
	case s == "":
		return false
	case p.re != nil:
		return p.re.MatchString(s)
	}
	return s == p.exact
}

// compileIdentities never returns none without an error: no identity would be anybody.
func compileIdentities(ids []Identity) ([]identity, error) {
	if len(ids) == 0 {
		return nil, problemf("name issuer and subject of whoever may sign", "it names no identity")
	}
	out := make([]identity, len(ids))
	for i, id := range ids {
		c, err := compileIdentity(id)
		if err != nil {
			return nil, fmt.Errorf("identity %d: %w", i+1, err)
		}
		out[i] = c
	}
	return out, nil
}

func compileIdentity(id Identity) (identity, error) {
	c := identity{Identity: id}
	var err error
	if c.issuer, err = compilePattern(id.Issuer, id.IssuerRegExp); err != nil {
		return c, fmt.Errorf("issuer: %w", err)
	}
	if c.subject, err = compilePattern(id.Subject, id.SubjectRegExp); err != nil {
		return c, fmt.Errorf("subject: %w", err)
	}
	for _, name := range slices.Sorted(maps.Keys(id.Extensions)) {
		err = errors.Join(err, c.demand(name, id.Extensions[name], ""))
	}
	for _, name := range slices.Sorted(maps.Keys(id.ExtensionsRegExp)) {
		err = errors.Join(err, c.demand(name, "", id.ExtensionsRegExp[name]))
	}
	return c, err
}

func (c *identity) demand(name, exact, re string) error {
	if _, ok := extensionValue(certificate.Extensions{}, name); !ok {
		return fmt.Errorf("%s is no certificate extension", quoted(name))
	}
	p, err := compilePattern(exact, re)
	if err != nil {
		return fmt.Errorf("extension %s: %w", name, err)
	}
	c.extensions = append(c.extensions, extension{name, p})
	return nil
}

func compilePattern(exact, re string) (pattern, error) {
	switch {
	case exact != "" && re != "":
		return pattern{}, errors.New("has both a value and a regular expression")
	case exact != "":
		return pattern{exact: exact}, nil
	case re == "":
		return pattern{}, errors.New("is missing")
	}
	// By itself first: "a)|(b" would be one only between our brackets.
	if _, err := regexp.Compile(re); err != nil {
		return pattern{}, err
	}
	c, err := regexp.Compile(whole(re))
	return pattern{re: c}, err
}

// extensionValue is the extension of the name; ok is false where Fulcio has no such.
func extensionValue(e certificate.Extensions, name string) (value string, ok bool) {
	values := map[string]string{
		"githubWorkflowTrigger":               e.GithubWorkflowTrigger,
		"githubWorkflowSHA":                   e.GithubWorkflowSHA,
		"githubWorkflowName":                  e.GithubWorkflowName,
		"githubWorkflowRepository":            e.GithubWorkflowRepository,
		"githubWorkflowRef":                   e.GithubWorkflowRef,
		"buildSignerURI":                      e.BuildSignerURI,
		"buildSignerDigest":                   e.BuildSignerDigest,
		"runnerEnvironment":                   e.RunnerEnvironment,
		"sourceRepositoryURI":                 e.SourceRepositoryURI,
		"sourceRepositoryDigest":              e.SourceRepositoryDigest,
		"sourceRepositoryRef":                 e.SourceRepositoryRef,
		"sourceRepositoryIdentifier":          e.SourceRepositoryIdentifier,
		"sourceRepositoryOwnerURI":            e.SourceRepositoryOwnerURI,
		"sourceRepositoryOwnerIdentifier":     e.SourceRepositoryOwnerIdentifier,
		"buildConfigURI":                      e.BuildConfigURI,
		"buildConfigDigest":                   e.BuildConfigDigest,
		"buildTrigger":                        e.BuildTrigger,
		"runInvocationURI":                    e.RunInvocationURI,
		"sourceRepositoryVisibilityAtSigning": e.SourceRepositoryVisibilityAtSigning,
	}
	value, ok = values[name]
	return value, ok
}

// issuerOf is the OIDC issuer that a certificate names. Those of a company's own
// authority often name none: then it is the distinguished name of whoever issued the
// certificate, which its chain proves.
func issuerOf(c certificate.Summary) string { return cmp.Or(c.Issuer, c.CertificateIssuer) }

// recognises says whether one of the identities is the certificate's, and if not, why.
func (s *signer) recognises(c certificate.Summary) (ok bool, reason string) {
	if len(s.identities) == 0 {
		return false, "the authority has no identities"
	}
	best := 0 // how far the nearest identity agrees: its difference is the one to tell
	for i, id := range s.identities {
		agrees, why := id.compare(c)
		if why == "" {
			return true, ""
		}
		if i == 0 || agrees > best {
			best, reason = agrees, why
		}
	}
	switch n := len(s.identities) - 1; {
	case n == 1:
		reason += " (nor is it the other identity)"
	case n > 1:
		reason += fmt.Sprintf(" (nor is it one of %d other identities)", n)
	}
	return false, line(reason)
}

// compare returns why the certificate is another's, or "", and how much of it agrees.
func (id identity) compare(c certificate.Summary) (agrees int, why string) {
	for _, d := range []struct {
		name, seen string
		want       pattern
	}{{"issuer", issuerOf(c), id.issuer}, {"subject", c.SubjectAlternativeName, id.subject}} {
		if !d.want.matches(d.seen) {
			return agrees, difference(d.name, d.seen, d.want)
		}
		agrees++
	}
	for _, e := range id.extensions {
		seen, _ := extensionValue(c.Extensions, e.name)
		if !e.want.matches(seen) {
			return agrees, difference(e.name, seen, e.want)
		}
		agrees++
	}
	return agrees, ""
}

func difference(name, seen string, want pattern) string {
	if seen == "" {
		return fmt.Sprintf("the certificate has no %s; wanted %s", name, want)
	}
	return fmt.Sprintf("the certificate has the %s %s; wanted %s", name, quoted(seen), want)
}

func (p pattern) String() string {
	if p.re != nil {
		inner := strings.TrimSuffix(strings.TrimPrefix(p.re.String(), "^(?:"), ")$")
		return "a match of " + quoted(inner)
	}
	return quoted(p.exact)
}

// describe names identities for people.
func describe(ids []identity) string {
	name := func(exact, re string) string {
		if re != "" {
			return shorten("/"+re+"/", maxValue)
		}
		return shorten(exact, maxValue)
	}
	var out []string
	for i, id := range ids {
		if i == 3 {
			out = append(out, fmt.Sprintf("%d others", len(ids)-i))
			break
		}
		text := name(id.Issuer, id.IssuerRegExp) + " " + name(id.Subject, id.SubjectRegExp)
		for _, e := range id.extensions {
			text += ", " + e.name + " " + name(e.want.exact, id.ExtensionsRegExp[e.name])
		}
		out = append(out, text)
	}
	return line(strings.Join(out, " or "))
}

func quoted(s string) string { return strconv.Quote(shorten(s, maxValue)) }
