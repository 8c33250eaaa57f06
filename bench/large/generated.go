// SPDX-License-Identifier: Apache-2.0

package large

import (
	"fmt"
	"strings"
	"time"
)

// words are those of programs; some are keywords of rules for secrets, as in real life.
var words = strings.Fields(`
account action address amount apply archive array async await balance batch body boolean branch bucket buffer builder cache callback channel
class client cluster collection column commit config connection const container context cookie count create cursor data database date decode
default delete deploy description digest document domain driver element email encode endpoint entry enum error event export factory field file
filter format function gateway group handler hash header history host image import index instance integer interface invoice item iterator job
key label layer length level library limit link list listener locale location log login manager map message metadata method metric mock model
module month name namespace node null number object option order owner package page parameter parent parser password patch path pattern payload
permission pipeline platform plugin policy pool port prefix price process product profile promise property provider proxy public query queue
random range record redirect reference region registry release remote report request resource response result role root route rule runtime
schema scope script search secret section select server service session setting signature size source stack state static status storage store
stream string subject submit table tag target task template tenant test text thread timeout title token topic trace transaction transform
trigger tuple type update upload user value vector version view virtual volume wallet warning webhook widget window worker wrapper zone
`)

func prose(r *random, n int) string {
	w := make([]string, n)
	for i := range w {
		w[i] = r.of(words)
	}
	return strings.Join(w, " ")
}

// generated are what builds and services leave: logs, JSON and minified scripts.
func generated() *layer {
	l := &layer{step: "RUN make assets"}
	r := random(4)
	for i := range 12 {
		l.add(fmt.Sprintf("var/log/app/service%d.log", i), 0o644, logFile(&r, 20_000))
	}
	for i := range 400 {
		l.add(fmt.Sprintf("srv/data/%s%d.json", r.of(words), i), 0o644, jsonFile(&r, 20+r.n(400)))
	}
	for i := range 40 {
		l.add(fmt.Sprintf("srv/www/assets/chunk%d.min.js", i), 0o644, minified(&r, 3000+r.n(12_000)))
	}
	for i := range 20 {
		l.add(fmt.Sprintf("srv/data/blob%d.bin", i), 0o644, r.bytes(500_000+r.n(2_000_000)))
	}
	return l
}

func logFile(r *random, lines int) []byte {
	var b strings.Builder
	for i := range lines {
		fmt.Fprintf(&b, "%s level=%s component=%s msg=%q request=%s duration=%dms\n", epoch.Add(time.Duration(i)*time.Second).Format("2006-01-02T15:04:05Z"),
			r.of([]string{"info", "info", "info", "warn", "debug"}), r.of(words), prose(r, 6), r.letters(hexDigits, 32), i%997)
	}
	return []byte(b.String())
}

func jsonFile(r *random, entries int) []byte {
	var b strings.Builder
	b.WriteString("[\n")
	for i := range entries {
		if i > 0 {
			b.WriteString(",\n")
		}
		fmt.Fprintf(&b, "  {\"id\": %d, \"%s\": \"%s\", \"%s\": \"%s\", \"checksum\": \"%s\", \"%s\": [%d, %d]}", i,
			r.of(words), r.of(words), r.of(words), r.letters(alnum, 24), r.letters(hexDigits, 40), r.of(words), r.n(1e6), r.n(1e6))
	}
	b.WriteString("\n]\n")
	return []byte(b.String())
}

func minified(r *random, statements int) []byte {
	var b strings.Builder
	b.WriteString("!function(){")
	for range statements {
		fmt.Fprintf(&b, "var %s=function(%s){return %s.%s(%q,%d)||this.%s[%q]};", r.letters(lower, 2), r.letters(lower, 1),
			r.letters(lower, 1), r.of(words), r.letters(alnum, 4+r.n(30)), r.n(99999), r.of(words), r.of(words))
	}
	b.WriteString("}();")
	return []byte(b.String())
}
