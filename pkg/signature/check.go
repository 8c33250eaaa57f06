// SPDX-License-Identifier: Apache-2.0

package signature

import (
	"context"
	"fmt"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
)

// checkItem says what one authority says about one item. Whatever goes wrong in it, the
// item is invalid.
func checkItem(ctx context.Context, s *signer, i *item, now time.Time) evidence.SignatureCheck {
	var out evidence.SignatureCheck
	err := guard(func() error {
		digest, err := v1.NewHash(i.found.Digest)
		if err != nil {
			return explained("the digest that it hangs on is none")
		}
		c := check{signer: s, item: i, digest: digest, now: now}
		if len(s.keys) > 0 {
			out = c.keyed(ctx)
		} else {
			out = c.keyless(ctx)
		}
		return nil
	})
	if err != nil {
		out = invalid(why(err))
	}
	out.Authority = s.authority.Name
	return out
}

// check is of one item by one authority.
type check struct {
	signer *signer
	item   *item
	digest v1.Hash
	now    time.Time
}

func (c check) keyed(ctx context.Context) evidence.SignatureCheck {
	last := c.otherKey()
	for _, key := range c.signer.keys {
		if !c.item.format.madeWith(key) {
			continue
		}
		if !c.item.isAbout(c.item.found.Digest) {
			return c.aboutAnother()
		}
		p, err := c.verify(ctx, demand{key: key})
		if err == nil {
			return verified(p)
		}
		last = invalid(why(err))
	}
	return last
}

// otherKey is what is said where the authority's key did not make the signature. Clients
// hash by a key's size where nobody tells them: the policy must then say so, too.
func (c check) otherKey() evidence.SignatureCheck {
	if seen := c.item.identitySeen(); seen != "" {
		return otherSigner("it is not made with the key of this authority but by " + seen)
	}
	hash := ""
	if a := c.signer.usualHash; a != "" {
		hash = "; or it is hashed with " + a + ", as clients do by such a key, and the policy does not say hashAlgorithm: " + a
	}
	if c.item.found.Signer.Key == c.signer.fingerprint && c.signer.fingerprint != "" {
		return invalid("it names the key of this authority and does not verify with it: it was altered" + hash)
	}
	return otherSigner("it is not made with the key of this authority, or was altered since" + hash)
}

func (c check) keyless(ctx context.Context) evidence.SignatureCheck {
	i := c.item
	switch {
	case len(c.signer.identities) == 0:
		return invalid("the authority has neither keys nor identities")
	case i.certificate == nil:
		return otherSigner("it is made with a key, not with a certificate for an identity")
	case !i.isAbout(i.found.Digest):
		return c.aboutAnother()
	}
	recognised, reason := c.signer.recognises(i.summary)
	p, err := c.verify(ctx, demand{anyone: !recognised, anyIssuer: i.summary.Issuer == ""})
	switch {
	case err != nil:
		return invalid(why(err))
	case !recognised:
		return otherSigner(reason)
	}
	return verified(p)
}

// verify demands what the authority demands; an optional log entry counts where there is one.
func (c check) verify(ctx context.Context, d demand) (p proof, err error) {
	d.now, d.timestamp, d.log = c.now, c.signer.authority.TimestampRequired, true
	try := func() error {
		return guard(func() (err error) {
			p, err = c.item.format.verify(ctx, c.signer, d, c.digest)
			return err
		})
	}
	if err = try(); err != nil && c.signer.authority.LogOptional {
		d.log = false
		err = try()
	}
	switch {
	case err != nil:
		return proof{}, err
	case d.log && !p.logged:
		return proof{}, errNoEntry
	case d.timestamp && !p.has(sourceTSA):
		return proof{}, errNoTimestamp
	}
	return p, nil
}

func (p proof) has(source string) bool {
	for _, t := range p.times {
		if t.source == source {
			return true
		}
	}
	return false
}

func (c check) aboutAnother() evidence.SignatureCheck {
	switch about := c.item.about; len(about) {
	case 0:
		return invalid("it is about no SHA-256 digest at all")
	case 1:
		return invalid(fmt.Sprintf("it is about %s, not about %s", shorten(about[0], 100), c.item.found.Digest))
	default:
		return invalid(fmt.Sprintf("it is about %s and %d other digests, not about %s", shorten(about[0], 100), len(about)-1, c.item.found.Digest))
	}
}

func otherSigner(reason string) evidence.SignatureCheck {
	return evidence.SignatureCheck{Result: evidence.CheckOtherSigner, Reason: reasonOf(reason)}
}

func invalid(reason string) evidence.SignatureCheck {
	return evidence.SignatureCheck{Result: evidence.CheckInvalid, Reason: reasonOf(strings.TrimSpace(reason))}
}

// verified tells the earliest of the times: a signature can be shown to an authority again
// at any later time, never at an earlier one.
func verified(p proof) evidence.SignatureCheck {
	out := evidence.SignatureCheck{Result: evidence.CheckVerified, Logged: p.logged}
	for _, t := range p.times {
		if out.Time == nil || t.at.Before(*out.Time) {
			at := t.at.UTC()
			out.Time, out.TimeSource = &at, t.source
		}
	}
	return out
}
