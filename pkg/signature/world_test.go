// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"crypto"
	"strings"
	"testing"

	"github.com/google/go-containerregistry/pkg/name"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

// world is a sigstore and a registry with an image that is asked about.
type world struct {
	*sigstoretest.Stack
	t        testing.TB
	registry *sigstoretest.Registry
	image    name.Digest
	store    Store
}

const (
	devIssuer = sigstoretest.EmailIssuer
	dev       = "dev@example.com"
)

func newWorld(t testing.TB, referrers bool, opts ...sigstoretest.Option) *world {
	t.Helper()
	w := &world{Stack: sigstoretest.New(t, opts...), t: t, registry: sigstoretest.NewRegistry(t, referrers)}
	repo := sigstoretest.Repo(t, w.registry.Host, "team/payments")
	w.image = sigstoretest.PushNode(t, repo, sigstoretest.SmallImage("payments"))
	w.store = w.open(repo)
	return w
}

func (w *world) open(repo name.Repository) Store {
	w.t.Helper()
	a, err := image.OpenAttachments(context.Background(), repo.Name(), image.Options{})
	if err != nil {
		w.t.Fatal(err)
	}
	w.t.Cleanup(func() { _ = a.Close() })
	return a
}

// other is another image of the same repository.
func (w *world) other(content string) name.Digest {
	w.t.Helper()
	return sigstoretest.PushNode(w.t, w.image.Repository, sigstoretest.SmallImage(content))
}

func (w *world) node(n imagetest.Node) name.Digest {
	w.t.Helper()
	return sigstoretest.PushNode(w.t, w.image.Repository, n)
}

func (w *world) target(of name.Digest) Target {
	return Target{Reference: of.Repository.Name(), Store: w.store,
		Digests: []evidence.SignedDigest{{Digest: of.DigestStr(), Kind: evidence.SignedManifest}}}
}

func (w *world) verify(as ...Authority) *evidence.Signatures {
	w.t.Helper()
	return w.verifyTarget(w.target(w.image), as...)
}

func (w *world) verifyTarget(t Target, as ...Authority) *evidence.Signatures {
	w.t.Helper()
	return New(Options{}).Verify(w.t.Context(), t, as)
}

func (w *world) root(without ...sigstoretest.Part) *TrustedRoot {
	return &TrustedRoot{Name: "trusted_root.json", JSON: w.TrustedRoot(without...)}
}

// keyed is an authority of a key. With log, everything must be in the log.
func (w *world) keyed(k *sigstoretest.Key, log bool) Authority {
	hash := k.Hash
	if hash == 0 || k.Kind == sigstoretest.Ed25519ph {
		hash = crypto.SHA256
	}
	return Authority{Name: "key", Key: &Key{PEM: k.PublicPEM, Hash: hash, TrustedRoot: w.root()}, LogOptional: !log}
}

// keyless is an authority of a developer, or of the identities.
func (w *world) keyless(ids ...Identity) Authority {
	if len(ids) == 0 {
		ids = []Identity{{Issuer: devIssuer, Subject: dev}}
	}
	return Authority{Name: "people", Keyless: &Keyless{Identities: ids, TrustedRoot: w.root()}}
}

func (w *world) dev() sigstoretest.Signer { return w.Keyless(sigstoretest.Email(dev)) }

// tag puts items at the tag sig or att of the image.
func (w *world) tag(kind string, items ...*sigstoretest.TagItem) {
	w.t.Helper()
	sigstoretest.PushTag(w.t, w.image, kind, items...)
}

// only is the one check of the one item.
func only(t testing.TB, s *evidence.Signatures) (evidence.Signature, evidence.SignatureCheck) {
	t.Helper()
	for _, a := range s.Authorities {
		if a.Problem != "" {
			t.Fatalf("authority %s: %s", a.Name, a.Problem)
		}
	}
	if len(s.Items) != 1 || len(s.Items[0].Checks) != 1 || len(s.Problems) != 0 {
		t.Fatalf("want one item with one check and no problem, got %+v, problems %+v", s.Items, s.Problems)
	}
	return s.Items[0], s.Items[0].Checks[0]
}

func wantCheck(t testing.TB, c evidence.SignatureCheck, result evidence.CheckResult, reason string) {
	t.Helper()
	if c.Result != result || !strings.Contains(c.Reason, reason) || reason == "" && c.Reason != "" {
		t.Errorf("got %q: %q, want %q: %q", c.Result, c.Reason, result, reason)
	}
	if c.Result != evidence.CheckVerified && (c.Time != nil || c.Logged || c.TimeSource != "") {
		t.Errorf("not verified, and yet there is a time or a log entry: %+v", c)
	}
	if len(c.Reason) > maxReason+len("…") || strings.ContainsAny(c.Reason, "\n\r\x00\x1b") {
		t.Errorf("reason is no short line: %q", c.Reason)
	}
}
