// SPDX-License-Identifier: Apache-2.0

package large

import (
	"fmt"
	"strings"
)

// planted are configuration files with invented secrets, and what the last step of a
// build takes away again. Nothing here was ever valid: it is made of random letters.
func planted() *layer {
	l := &layer{step: "COPY config/ /etc/app/"}
	r := random(5)
	github := func() string { return "ghp_" + r.letters(alnum, 36) }
	aws := func() string { return "AKIA" + r.letters("ABCDEFGHIJKLMNOPQRSTUVWXYZ234567", 16) }
	for i := range 40 {
		var b strings.Builder
		for range 200 + r.n(2000) {
			fmt.Fprintf(&b, "%s.%s = %s\n", r.of(words), r.of(words), r.letters(alnum, 3+r.n(12)))
		}
		switch i % 8 {
		case 1:
			fmt.Fprintf(&b, "github.token = %s\n", github())
		case 3:
			fmt.Fprintf(&b, "aws_access_key_id = %s\naws_secret_access_key = %s\n", aws(), r.letters(alnum, 40))
		case 5:
			fmt.Fprintf(&b, "slack = https://hooks.slack.com/%s/T%s/B%s/%s\n", "services", r.letters(alnum[:26], 8), r.letters(alnum[:26], 8), r.letters(alnum, 24))
		case 7:
			fmt.Fprintf(&b, "-----BEGIN %s KEY-----\n%s\n%s\n-----END %[1]s KEY-----\n", "RSA PRIVATE", r.letters(alnum, 64), r.letters(alnum, 64))
		}
		l.add(fmt.Sprintf("etc/app/%s%d.conf", r.of(words), i), 0o644, []byte(b.String()))
	}
	l.add("usr/local/lib/python3.9/site-packages/.wh.pycrypto-2.6.1.dist-info", 0o644, nil)
	l.add("opt/app/lib/.wh.dom4j-1.6.1.jar", 0o644, nil)
	return l
}
