// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"os"
	"path/filepath"
	"testing"
	"time"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/internal/sigstoretest"
)

// TestOptionsAreNeverOpen: the options that leave cosign open cannot be made.
func TestOptionsAreNeverOpen(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	i, err := readLegacy(w.TagSignature(w.image, w.dev(), signOptions{Log: logged}).Payload, w.TagSignature(w.image, w.dev(), signOptions{}).Annotations, false)
	if err != nil {
		t.Fatal(err)
	}
	l := i.format.(*legacy)
	s, state := New(Options{}).prepare(t.Context(), w.keyless())
	if s == nil {
		t.Fatal(state)
	}
	nobody := *s
	nobody.identities = nil
	for _, bad := range []*signer{{}, {authority: Authority{Keyless: &Keyless{}}}, &nobody} {
		if o, err := l.checkOpts(bad, demand{}, false); err == nil {
			t.Errorf("%+v", o)
		}
		if c := checkItem(t.Context(), bad, i, time.Now()); c.Result != foul {
			t.Errorf("%+v", c)
		}
	}
	k, state := New(Options{}).prepare(t.Context(), w.keyed(key, false))
	if k == nil {
		t.Fatal(state)
	}
	for _, d := range []demand{{}, {log: true}, {anyone: true}} {
		o, err := l.checkOpts(s, d, false)
		if err != nil {
			t.Fatal(err)
		}
		if o.ClaimVerifier == nil || len(o.Identities) == 0 || !o.Offline || o.RekorClient != nil || o.TrustedMaterial == nil || o.IgnoreSCT || o.IgnoreTlog == d.log {
			t.Errorf("%+v", o)
		}
	}
	if o, err := l.checkOpts(k, demand{key: k.keys[0]}, false); err != nil || o.SigVerifier == nil || len(o.Identities) == 0 {
		t.Errorf("%+v %v", o, err)
	}
}

// TestPanicsAreInvalid: whatever a format's library does, the item does not verify.
func TestPanicsAreInvalid(t *testing.T) {
	w := newWorld(t, true)
	key := sigstoretest.NewKey(t, sigstoretest.ECDSA)
	s, _ := New(Options{}).prepare(t.Context(), w.keyed(key, false))
	p, _ := New(Options{}).prepare(t.Context(), w.keyless())
	i := &item{found: evidence.Signature{Digest: w.image.DigestStr()}, about: []string{w.image.DigestStr()}, certificate: w.dev().Cert}
	for _, s := range []*signer{s, p} {
		if c := checkItem(t.Context(), s, i, time.Now()); c.Result != foul || c.Reason == "" || c.Authority != s.authority.Name {
			t.Errorf("%+v", c)
		}
	}
}

// TestEnvironment: no variable of cosign's or sigstore's makes anybody trusted.
func TestEnvironment(t *testing.T) {
	w, evil := newWorld(t, true), sigstoretest.New(t)
	by := evil.Keyless(sigstoretest.Email(dev))
	w.tag("sig", evil.TagSignature(w.image, by, signOptions{Log: logged, TSA: true}))
	sigstoretest.PushBundle(t, w.image, evil.JSON(evil.Bundle(sigstoretest.SignatureStatement(w.image), by, signOptions{Log: logged, TSA: true})))
	dir := t.TempDir()
	file := func(name string, b []byte) string {
		path := filepath.Join(dir, name)
		if err := os.WriteFile(path, b, 0o600); err != nil {
			t.Fatal(err)
		}
		return path
	}
	t.Setenv("HOME", dir)
	t.Setenv("SIGSTORE_ROOT_FILE", file("root.pem", sigstoretest.CertificatesPEM(evil.Root)))
	t.Setenv("SIGSTORE_REKOR_PUBLIC_KEY", file("rekor.pub", evil.RekorPEM()))
	t.Setenv("SIGSTORE_CT_LOG_PUBLIC_KEY_FILE", file("ct.pub", evil.CTLogPEM()))
	t.Setenv("SIGSTORE_TSA_CERTIFICATE_FILE", file("tsa.pem", evil.TSAPEM()))
	t.Setenv("TUF_ROOT", dir)
	t.Setenv("COSIGN_REPOSITORY", w.registry.Host+"/evil")
	t.Setenv("COSIGN_EXPERIMENTAL", "1")
	strict, lenient := w.keyless(), w.keyless()
	lenient.Name, lenient.LogOptional, lenient.Keyless.SCTOptional = "lenient", true, true
	s := w.verify(strict, lenient)
	if len(s.Items) != 2 {
		t.Fatalf("%+v", s)
	}
	for _, i := range s.Items {
		for _, c := range i.Checks {
			if c.Result != foul {
				t.Errorf("%s: %+v", i.Place, c)
			}
		}
	}
}
