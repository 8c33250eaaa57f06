// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"slices"
	"strings"
	"unicode"
)

var (
	// credentialWords name a credential by themselves, credentialEnds as the end of a
	// longer word (PGPASSWORD), credentialKeys before "key".
	credentialWords = words("password passwords passwd passphrase pass pwd secret secrets token tokens credential credentials creds apikey accesskey privatekey secretkey jwt bearer")
	credentialEnds  = words("password passwd passphrase token secret apikey pass")
	credentialKeys  = words("api access private secret encryption signing master account storage shared ssh deploy service app application auth hmac session license licence aes rsa client webhook admin root")
	// ordinary are words that end in "pass" and are none.
	ordinary = words("askpass bypass compass trespass surpass encompass")
	// aspects are last words of names that tell of a credential, and hold none.
	aspects = words("file files filename path paths dir directory store url uri endpoint host hostname port name names user username type mode method methods ttl expiry expires expiration expire lifetime timeout age length len min max limit policy algorithm alg provider manager class enabled disabled enable version format header prefix suffix required count size interval issuer audience scope scopes realm backend plugin driver sock socket stdin env var variable template rotation location ref namespace through complexity strength field parameter param server service strategy")
	// questions are first words of such names.
	questions = words("enable disable require use allow no skip has is max min num with without")
)

func words(s string) []string { return strings.Fields(s) }

// credentialName says whether a variable, label or option of this name holds a
// credential.
func credentialName(name string) bool {
	parts := splitName(name)
	if len(parts) == 0 || slices.Equal(parts, []string{"pwd"}) {
		return false // PWD is the working directory
	}
	first, last := parts[0], parts[len(parts)-1]
	if len(parts) > 1 && (slices.Contains(aspects, last) || slices.Contains(questions, first)) {
		return false
	}
	for i, w := range parts {
		switch {
		case slices.Contains(credentialWords, w), last == "auth", last == "authorization" && len(parts) > 1:
			return true
		case w == "key" && i > 0 && slices.Contains(credentialKeys, parts[i-1]):
			return true
		case !slices.Contains(ordinary, w) && slices.ContainsFunc(credentialEnds, func(e string) bool { return strings.HasSuffix(w, e) }):
			return true
		}
	}
	return false
}

// splitName splits at what is no letter or digit and where camel case turns:
// _authToken is auth, token.
func splitName(name string) []string {
	var out []string
	var word strings.Builder
	flush := func() {
		if word.Len() > 0 {
			out = append(out, strings.ToLower(word.String()))
			word.Reset()
		}
	}
	lower := false
	for _, r := range name {
		if !unicode.IsLetter(r) && !unicode.IsDigit(r) {
			flush()
			lower = false
			continue
		}
		if unicode.IsUpper(r) && lower {
			flush()
		}
		lower = unicode.IsLower(r)
		word.WriteRune(r)
	}
	flush()
	return out
}
