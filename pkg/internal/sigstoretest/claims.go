// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"crypto"
	"crypto/rand"
	"crypto/rsa"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"errors"
	"maps"
	"strings"
	"time"
)

// The issuers of the claims that the functions here make.
const (
	EmailIssuer  = "https://accounts.example.com"
	GitHubIssuer = "https://token.actions.githubusercontent.com"
	GitLabIssuer = "https://gitlab.com"
)

// Claims are those of an identity token; values are strings, or true. Change them freely.
type Claims map[string]any

func (c Claims) str(name string) string { v, _ := c[name].(string); return v }

// Email is a person, by the issuer EmailIssuer.
func Email(address string) Claims {
	return Claims{"iss": EmailIssuer, "sub": address, "email": address, "email_verified": true}
}

// GitHub is a workflow of a repository "owner/name" at a ref, triggered by a push. The
// certificate's subject is https://github.com/REPOSITORY/.github/workflows/WORKFLOW@REF.
func GitHub(repository, workflow, ref string) Claims {
	owner, _, _ := strings.Cut(repository, "/")
	file := repository + "/.github/workflows/" + workflow + "@" + ref
	const sha = "0123456789012345678901234567890123456789"
	return Claims{
		"iss": GitHubIssuer, "sub": "repo:" + repository + ":ref:" + ref, "event_name": "push", "sha": sha, "ref": ref,
		"workflow": strings.TrimSuffix(workflow, ".yml"), "repository": repository, "repository_id": "1001",
		"repository_owner": owner, "repository_owner_id": "1002", "repository_visibility": "private",
		"job_workflow_ref": file, "job_workflow_sha": sha, "workflow_ref": file, "workflow_sha": sha,
		"runner_environment": "github-hosted", "run_id": "77", "run_attempt": "2",
	}
}

// GitLab is a pipeline of a project "group/name" at a branch. The certificate's subject
// is https://gitlab.com/PROJECT//.gitlab-ci.yml@refs/heads/BRANCH.
func GitLab(project, branch string) Claims {
	namespace, _, _ := strings.Cut(project, "/")
	const sha = "9876543210987654321098765432109876543210"
	return Claims{
		"iss": GitLabIssuer, "sub": "project_path:" + project + ":ref_type:branch:ref:" + branch, "pipeline_source": "push",
		"sha": sha, "ref": branch, "ref_type": "branch", "project_path": project, "project_id": "2001", "project_visibility": "private",
		"namespace_path": namespace, "namespace_id": "2002", "job_id": "88", "runner_environment": "gitlab-hosted",
		"ci_config_ref_uri": "gitlab.com/" + project + "//.gitlab-ci.yml@refs/heads/" + branch, "ci_config_sha": sha,
	}
}

// Workload is a subject that is a URI as it is: a SPIFFE ID, a Kubernetes service account.
func Workload(issuer, uri string) Claims { return Claims{"iss": issuer, "sub": uri} }

// subject is the certificate's subject alternative name, and whether it is an email address.
func (c Claims) subject() (san string, email bool) {
	switch c.str("iss") {
	case GitHubIssuer:
		return "https://github.com/" + c.str("job_workflow_ref"), false
	case GitLabIssuer:
		return "https://" + c.str("ci_config_ref_uri"), false
	}
	if e := c.str("email"); e != "" {
		return e, true
	}
	return c.str("sub"), false
}

// Token is an identity token with these claims: for the real clients.
func (s *Stack) Token(claims Claims) string {
	s.t.Helper()
	all := maps.Clone(claims)
	all["aud"], all["iat"], all["exp"] = "sigstore", time.Now().Unix(), time.Now().Add(time.Hour).Unix()
	body, err := json.Marshal(all)
	if err != nil {
		s.t.Fatal(err)
	}
	enc := base64.RawURLEncoding.EncodeToString
	signed := enc([]byte(`{"alg":"RS256","typ":"JWT"}`)) + "." + enc(body)
	sum := sha256.Sum256([]byte(signed))
	key, err := s.jwtKey()
	if err != nil {
		s.t.Fatal(err)
	}
	sig, err := rsa.SignPKCS1v15(rand.Reader, key, crypto.SHA256, sum[:])
	if err != nil {
		s.t.Fatal(err)
	}
	return signed + "." + enc(sig)
}

// claims reads a token that Token made.
func (s *Stack) claims(token string) (Claims, error) {
	signed, sig64, ok := cutLast(token, ".")
	_, body64, ok2 := strings.Cut(signed, ".")
	if !ok || !ok2 {
		return nil, errors.New("not an identity token")
	}
	sig, err := base64.RawURLEncoding.DecodeString(sig64)
	if err != nil {
		return nil, err
	}
	key, err := s.jwtKey()
	if err != nil {
		return nil, err
	}
	sum := sha256.Sum256([]byte(signed))
	if err := rsa.VerifyPKCS1v15(&key.PublicKey, crypto.SHA256, sum[:], sig); err != nil {
		return nil, err
	}
	body, err := base64.RawURLEncoding.DecodeString(body64)
	if err != nil {
		return nil, err
	}
	var c Claims
	return c, json.Unmarshal(body, &c)
}

func cutLast(s, sep string) (before, after string, found bool) {
	if i := strings.LastIndex(s, sep); i >= 0 {
		return s[:i], s[i+len(sep):], true
	}
	return s, "", false
}
