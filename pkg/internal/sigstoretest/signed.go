// SPDX-License-Identifier: Apache-2.0

package sigstoretest

import (
	"errors"
	"os"
	"path/filepath"
	"strconv"
	"testing"
	"time"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/ocigate/ocigate/pkg/internal/imagetest"
)

// Kind says what a client is to make. The zero value is a signature with a key, in the
// tag format, without log, of a single image in a registry with the referrers API.
//
// What clients cannot make is an error: entries of Rekor v2 in the tag format, or in
// CosignV2's bundles, or with a certificate and no timestamp; certificates of an own
// authority in CosignV2's bundles (they are there keyed ones). Attestations of the tag
// format that CosignV3 made with a timestamp are verified by nobody, itself included.
type Kind struct {
	Registry RegistryKind
	// Bundle is the new format, which CosignV3 writes by default.
	Bundle bool
	// Referrer keeps the tag format's signature as a referrer (oci-1-1, experimental).
	Referrer bool
	// Keyless signs with a certificate for Signing.Claims; OwnCA with a key that has a
	// certificate of an own authority (see OwnLeaf).
	Keyless, OwnCA bool
	Log            Log
	TSA            bool
	// Attest makes attestations: slsaprovenance1, spdxjson or vuln.
	Attest string
	// Index signs an index of two platforms; Recursive signs what it holds, too.
	Index, Recursive bool
	// ServiceFlags names the services by options in place of a signing configuration, as
	// was usual before version 3: a bundle that is made in another way.
	ServiceFlags bool
	// Args are further arguments: "-a", "--rekor-entry-type", …
	Args []string
}

// Signing is an image, and who signs it.
type Signing struct {
	Stack *Stack
	Host  string
	// Image is what was signed; Platforms are the images of an index.
	Image     name.Digest
	Platforms []name.Digest
	Key       *Key
	Claims    Claims
	// Leaf is the certificate of an own authority for Key, for OwnEmail.
	Leaf []byte
}

// OwnEmail is whom the certificate of an own authority names.
const OwnEmail = "pki@example.com"

// Signed is an image that a real client has signed in a new registry, with a new Stack.
func Signed(t testing.TB, c Client, k Kind) *Signing {
	t.Helper()
	g := NewSigning(t, k)
	if err := g.Sign(t, c, k); err != nil {
		t.Fatal(err)
	}
	return g
}

// NewSigning is what Signed signs, not yet signed.
func NewSigning(t testing.TB, k Kind) *Signing {
	t.Helper()
	g := &Signing{Stack: New(t), Host: StartRegistry(t, k.Registry), Key: NewKey(t, ECDSA), Claims: GitHub("acme/app", "release.yml", "refs/heads/main")}
	repo := Repo(t, g.Host, "acme/app")
	if !k.Index && !k.Recursive {
		g.Image = PushNode(t, repo, SmallImage("app"))
		return g
	}
	index := SmallIndex("app")
	g.Image = PushNode(t, repo, index)
	for _, e := range index.Entries {
		doc, _ := e.Node.Document()
		g.Platforms = append(g.Platforms, repo.Digest(imagetest.Digest(doc).String()))
	}
	return g
}

// Sign lets a client sign, or attest, the image once more.
func (g *Signing) Sign(t testing.TB, c Client, k Kind) error {
	t.Helper()
	if k.Log == LogV2 && !k.Bundle {
		return errors.New("the tag format has no entries of Rekor v2")
	}
	if k.OwnCA && k.Bundle && c == CosignV2 {
		return errors.New("cosign 2 leaves the certificate out of the bundle")
	}
	f := &files{t: t, dir: t.TempDir()}
	args := []string{"sign", "-y"}
	if k.Attest != "" {
		args = []string{"attest", "-y", "--type", k.Attest, "--predicate", f.write("predicate.json", []byte(predicates[k.Attest]))}
	}
	if k.Recursive {
		args = append(args, "--recursive")
	}
	var env []string
	if k.Referrer {
		args, env = append(args, "--registry-referrers-mode", "oci-1-1"), []string{"COSIGN_EXPERIMENTAL=1"}
	}
	args = append(args, g.material(f, c, k)...)
	_, err := c.run(t, env, append(append(args, k.Args...), g.Image.String()))
	return err
}

// SignBlob lets a client sign a file; the answer is a bundle.
func (g *Signing) SignBlob(t testing.TB, c Client, k Kind, file []byte) ([]byte, error) {
	t.Helper()
	f := &files{t: t, dir: t.TempDir()}
	k.Bundle = true
	bundle := filepath.Join(f.dir, "bundle.json")
	args := append([]string{"sign-blob", "-y", "--bundle", bundle}, g.material(f, c, k)...)
	if _, err := c.Run(t, append(append(args, k.Args...), f.write("file", file))...); err != nil {
		return nil, err
	}
	return os.ReadFile(bundle)
}

// Save lets a client write the image, and what it finds of its signatures, into a layout.
func (g *Signing) Save(t testing.TB, c Client) (dir string, err error) {
	t.Helper()
	dir = filepath.Join(t.TempDir(), "layout")
	_, err = c.Run(t, "save", "--dir", dir, g.Image.String())
	return dir, err
}

// Verify lets a client verify the image, or another in its place.
func (g *Signing) Verify(t testing.TB, c Client, k Kind, image name.Digest) error {
	t.Helper()
	f := &files{t: t, dir: t.TempDir()}
	args := []string{"verify"}
	if k.Attest != "" {
		args = []string{"verify-attestation", "--type", k.Attest}
	}
	if c == CosignV2 {
		args = append(args, "--offline", "--new-bundle-format="+strconv.FormatBool(k.Bundle))
	}
	var env []string
	if c == CosignV2 && k.Attest != "" && !k.Bundle {
		// It takes trusted roots for bundles alone here.
		env = g.environment(f)
	} else {
		args = append(args, "--trusted-root", f.write("trusted_root.json", g.Stack.TrustedRoot()))
	}
	args = append(args, g.authority(f, k)...)
	_, err := c.run(t, env, append(args, image.String()))
	return err
}

// VerifyLayout lets a client verify a layout that Save has written.
func (g *Signing) VerifyLayout(t testing.TB, c Client, k Kind, dir string) error {
	t.Helper()
	f := &files{t: t, dir: t.TempDir()}
	args := []string{"verify", "--local-image", "--trusted-root", f.write("trusted_root.json", g.Stack.TrustedRoot())}
	if c == CosignV2 {
		args = append(args, "--offline", "--new-bundle-format="+strconv.FormatBool(k.Bundle))
	}
	_, err := c.Run(t, append(append(args, g.authority(f, k)...), dir)...)
	return err
}

// environment is how cosign 2 is told whom to trust for the tag format's attestations.
func (g *Signing) environment(f *files) []string {
	f.t.Helper()
	s := g.Stack
	return []string{
		"SIGSTORE_ROOT_FILE=" + f.write("ca.pem", s.CAPEM()), "SIGSTORE_REKOR_PUBLIC_KEY=" + f.write("rekor.pem", s.RekorPEM()),
		"SIGSTORE_CT_LOG_PUBLIC_KEY_FILE=" + f.write("ct.pem", s.CTLogPEM()), "SIGSTORE_TSA_CERTIFICATE_FILE=" + f.write("tsa.pem", s.TSAPEM()),
	}
}

// authority are the arguments that name who must have signed.
func (g *Signing) authority(f *files, k Kind) []string {
	f.t.Helper()
	var args []string
	switch {
	case k.Keyless:
		subject, _ := g.Claims.subject()
		args = append(args, "--certificate-identity", subject, "--certificate-oidc-issuer", g.Claims.str("iss"))
	case k.OwnCA:
		args = append(args, "--certificate-identity", OwnEmail, "--certificate-oidc-issuer-regexp", ".*", "--insecure-ignore-sct")
	default:
		args = append(args, "--key", f.write("cosign.pub", g.Key.PublicPEM))
	}
	if k.Log == NoLog {
		args = append(args, "--insecure-ignore-tlog")
	}
	if k.TSA {
		args = append(args, "--use-signed-timestamps")
	}
	return args
}

// material are the arguments that say with what, and by which services, is signed.
func (g *Signing) material(f *files, c Client, k Kind) []string {
	f.t.Helper()
	s := g.Stack
	args := []string{"--trusted-root", f.write("trusted_root.json", s.TrustedRoot())}
	switch {
	case k.Keyless:
		args = append(args, "--identity-token", f.write("token", []byte(s.Token(g.Claims))))
	default:
		args = append(args, "--key", f.write("cosign.key", g.Key.CosignPEM(f.t)))
	}
	if k.OwnCA {
		leaf := s.OwnLeaf(g.Key.Private.Public(), OwnEmail, time.Now().Add(-time.Hour), time.Now().Add(30*day))
		g.Leaf = CertificatesPEM(leaf)
		args = append(args, "--certificate", f.write("leaf.pem", g.Leaf), "--certificate-chain", f.write("chain.pem", s.CAPEM()))
	}
	switch {
	case c == CosignV2 && k.Bundle:
		args = append(args, "--new-bundle-format")
	case c == CosignV3 && !k.Bundle:
		args = append(args, "--new-bundle-format=false", "--use-signing-config=false")
	case c == CosignV3 && k.ServiceFlags:
		args = append(args, "--use-signing-config=false")
	}
	if k.Bundle && !k.ServiceFlags {
		return append(args, "--signing-config", f.write("signing_config.json", s.SigningConfig(k.Log, k.TSA)))
	}
	if k.Keyless {
		args = append(args, "--fulcio-url", s.FulcioURL)
	}
	if k.TSA {
		args = append(args, "--timestamp-server-url", s.TSAURL)
	}
	return append(args, "--rekor-url", s.RekorURL, "--tlog-upload="+strconv.FormatBool(k.Log != NoLog))
}

// files writes what a client reads from files.
type files struct {
	t   testing.TB
	dir string
}

func (f *files) write(name string, b []byte) string {
	f.t.Helper()
	path := filepath.Join(f.dir, name)
	if err := os.WriteFile(path, b, 0o600); err != nil {
		f.t.Fatal(err)
	}
	return path
}

// predicates are small ones that clients take.
var predicates = map[string]string{
	"slsaprovenance1": `{"buildDefinition":{"buildType":"https://example.com/build/v1","externalParameters":{"ref":"main"}},
		"runDetails":{"builder":{"id":"https://example.com/builder"}}}`,
	"spdxjson": `{"spdxVersion":"SPDX-2.3","dataLicense":"CC0-1.0","SPDXID":"SPDXRef-DOCUMENT","name":"app",
		"documentNamespace":"https://example.com/app","creationInfo":{"created":"2026-01-01T00:00:00Z","creators":["Tool: test"]},"packages":[]}`,
	"vuln": `{"invocation":{"parameters":null,"uri":"","event_id":"","builder.id":""},
		"scanner":{"uri":"pkg:github/aquasecurity/trivy@0.74.0","version":"0.74.0","db":{"uri":"","version":""},"result":{"Results":[]}},
		"metadata":{"scanStartedOn":"2026-01-01T00:00:00Z","scanFinishedOn":"2026-01-01T00:00:01Z"}}`,
}
