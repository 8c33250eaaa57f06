// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"html"
	"net/http"
	"net/http/httptest"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/report"
	"github.com/ocigate/ocigate/pkg/verdict"
)

var htmlFormat = format{"html", "html", report.HTML}

// pictured is an image with layers, findings in them, packages, waivers and a forecast.
func pictured() verdict.Verdict {
	ev := waivable()
	by := []string{"/bin/sh -c #(nop) ADD file:… in /", "RUN /bin/sh -c apk add --no-cache openssl ca-certificates busybox-extras # buildkit", "COPY --chown=app package.json package-lock.json /app/", "RUN /bin/sh -c npm ci --omit=dev # buildkit"}
	ev.Layers = nil
	for i, text := range by {
		ev.Layers = append(ev.Layers, evidence.LayerFacts{DiffID: sha(string(rune('1' + i))), Size: []int64{5_600_000, 21_800_000, 310_000, 81_000_000}[i], Files: 100 * (i + 1), CreatedBy: text, Verification: evidence.LayerVerified})
	}
	for i := range ev.Findings {
		f := &ev.Findings[i]
		layer := evidence.Layer{DiffID: sha("4")}
		if f.Package != nil && f.Package.Class == evidence.ClassOS {
			layer.DiffID = sha(string(rune('1' + i%2)))
		}
		f.Layer, f.Title = layer, []string{"integer overflow in the reader of archives", "prototype pollution", "", "out of bounds read while a certificate is checked"}[i%4]
		if f.Package != nil {
			f.Package.Layer, f.Package.Licenses = layer, []string{"MIT"}
			f.URL = "https://avd.aquasec.com/nvd/" + strings.ToLower(f.ID)
			ev.Packages = append(ev.Packages, *f.Package)
		}
	}
	ev.Base = &evidence.Base{Source: "label", Reference: "docker.io/library/alpine:3.10", Digest: sha("8"), Lineage: evidence.LineageProven, Layers: 1, Reason: "its layers are the first of the image"}
	ev.Signatures = hostileSignatures("registry.example.com/shop", "release")
	ev.Waste = &evidence.Waste{Bytes: 4_200_000, TotalBytes: 108_000_000}
	v := run("registry.example.com/shop:1.4", waive, ev)
	until := now.AddDate(0, 0, 30)
	v.ForecastUntil = &until
	v.Forecast = []verdict.Change{
		{Date: "2026-03-14", Rule: "no-critical", From: verdict.Fail, To: verdict.Fail, Red: true, Causes: []verdict.Cause{{Message: "CVE-2021-36159 (critical) in apk-tools 2.10.6-r0", Reason: "waiver apk no longer holds (until 2026-03-13)"}}},
		{Date: "2026-04-01", Rule: "runtime", From: verdict.Warn, To: verdict.Fail, Red: true, Reason: "the rule fails from 2026-04-01"},
	}
	return v
}

func writePage(t *testing.T, v verdict.Verdict) string {
	t.Helper()
	path := filepath.Join(t.TempDir(), "report.html")
	if err := os.WriteFile(path, rendered(t, htmlFormat, v), 0o600); err != nil {
		t.Fatal(err)
	}
	return path
}

// TestHTMLInBrowser opens pages as people do: without errors, without a request, without
// a script of the image's, and never wider than the screen.
func TestHTMLInBrowser(t *testing.T) {
	b := startBrowser(t)
	var asked atomic.Int32
	server := httptest.NewServer(http.HandlerFunc(func(http.ResponseWriter, *http.Request) { asked.Add(1) }))
	defer server.Close()
	canary := `<script>window.canary=1;document.title="canary"</script><img src="` + server.URL + `/x.png" onerror="window.canary=2">`
	vs := map[string]verdict.Verdict{
		"pictured": pictured(), "several": verdicts()["several"], "error": verdicts()["error"], "empty": {}, "passed": verdicts()["passed"],
		"signed": verdicts()["signed"], "failed-fast": verdicts()["failed-fast"], "forecast": verdicts()["forecast"],
		"hostile": hostile(canary, `"></style></title></textarea>`+canary+`<svg onload=window.canary=3><a href="javascript:window.canary=4">`),
		"wide":    hostile(strings.Repeat("W", 5000), strings.Repeat("/W", 5000)),
	}
	devices := []device{{"phone", "light", 360, 740}, {"phone", "dark", 360, 740}, {"desktop", "light", 1280, 900}, {"desktop", "dark", 1280, 900}}
	background := map[string]string{}
	for name, v := range vs {
		path := writePage(t, v)
		for i, d := range devices {
			if name != "pictured" && (i == 1 || i == 2) {
				continue // the same styles in other words
			}
			b.open(path, d)
			b.keep(name+"-"+d.name+"-"+d.scheme, d)
			if wide := eval[int](b, "document.documentElement.scrollWidth"); wide > d.width {
				t.Errorf("%s on a %s %s: %d pixels wide: %s", name, d.scheme, d.name, wide,
					eval[string](b, "Array.from(document.querySelectorAll('body *')).filter(e=>e.getBoundingClientRect().right>innerWidth+1).slice(0,3).map(e=>e.outerHTML.slice(0,200)).join(' | ')"))
			}
			if c := eval[string](b, "String(window.canary)+document.title"); strings.Contains(c, "canary") && name != "hostile" || !strings.HasPrefix(c, "undefined") {
				t.Errorf("%s: a script of the image's has run: %s", name, c)
			}
			for _, c := range b.complaints(path) {
				t.Errorf("%s on a %s %s: %s", name, d.scheme, d.name, c)
			}
			background[d.scheme] = eval[string](b, "getComputedStyle(document.body).backgroundColor")
		}
		if name == "hostile" && eval[string](b, "document.title") == "canary" {
			t.Error("the title is the canary's")
		}
	}
	if background["light"] == background["dark"] {
		t.Errorf("light and dark are both %s", background["light"])
	}
	if n := asked.Load(); n > 0 {
		t.Errorf("%d requests were sent", n)
	}
	// The same bytes without escaping: this test would notice.
	bare := filepath.Join(t.TempDir(), "bare.html")
	if err := os.WriteFile(bare, []byte("<!DOCTYPE html><title>x</title>"+canary), 0o600); err != nil {
		t.Fatal(err)
	}
	b.open(bare, devices[0])
	if eval[string](b, "document.title") != "canary" || len(b.complaints(bare)) == 0 || asked.Load() == 0 {
		t.Errorf("an open page is not noticed: %d requests", asked.Load())
	}
}

// TestHTMLFilter uses the page's own controls.
func TestHTMLFilter(t *testing.T) {
	b := startBrowser(t)
	path := writePage(t, pictured())
	b.open(path, device{"desktop", "light", 1280, 900})
	const set = `(function(o){
		var f=document.getElementById('filter'); f.reset();
		if(o.text) document.getElementById('text').value=o.text;
		(o.boxes||[]).forEach(function(v){document.querySelector('input[data-filter][value="'+v+'"]').checked=true});
		Object.keys(o.selects||{}).forEach(function(k){document.querySelector('select[data-filter="'+k+'"]').value=o.selects[k]});
		return new Promise(function(done){setTimeout(function(){
			f.dispatchEvent(new Event('input',{bubbles:true}));
			var on=Array.from(document.querySelectorAll('.entry')).filter(function(e){return e.offsetParent!==null});
			done(on.length+'|'+document.getElementById('shown').textContent+'|'+on.map(function(e){return e.textContent.replace(/\s+/g,' ')}).join('|'));
		},20)});
	})`
	for _, tt := range []struct{ script, count, holds string }{
		{`{}`, "31", "CVE-2021-36159"},
		{`{text:"lodash 8203"}`, "1", "CVE-2020-8203"},
		{`{boxes:["critical"]}`, "3", "aws-access-key-id"},
		{`{boxes:["critical","waived"]}`, "2", "waived by apk"},
		{`{boxes:["critical","medium"]}`, "5", "busybox"},
		{`{selects:{rule:"medium-budget"}}`, "2", "ssl_client"},
		{`{selects:{layer:"p1-4"}}`, "17", "lodash"},
		{`{text:"no such thing"}`, "0", ""},
	} {
		got := eval[string](b, set+"("+tt.script+")")
		count, rest, _ := strings.Cut(got, "|")
		if count != tt.count || !strings.Contains(rest, tt.holds) || tt.script != "{}" && !strings.HasPrefix(rest, count+" of 31 shown") {
			t.Errorf("%s: %.300s", tt.script, got)
		}
	}
	// What could not be decided is no entry, and never hidden by a filter.
	b.open(writePage(t, verdicts()["error"]), device{"phone", "dark", 360, 740})
	if n := eval[int](b, `Array.from(document.querySelectorAll('.undecided')).filter(function(e){return e.offsetParent!==null}).length`); n == 0 {
		t.Error("what could not be decided is not to be seen")
	}
}

var tags = regexp.MustCompile(`<[^>]*>`)

// TestHTMLHoldsNothingOfTheImages: whatever stands in an image stands in the page as text,
// or within the quotes of an attribute that runs nothing.
func TestHTMLHoldsNothingOfTheImages(t *testing.T) {
	vs := everyVerdict()
	vs["pictured"] = pictured()
	for i, s := range []string{`</script><script>alert(1)</script>`, `"><img src=x onerror=alert(1)>`, `' onmouseover='alert(1)`, "javascript:alert(1)", "</style><style>*{display:none}", "--><!--", "{{.Policy}}", "\u202egnp.exe\x00\ufeff"} {
		v := hostile(s, "javascript:"+s)
		for j := range v.Subjects[0].Evidence.Findings {
			v.Subjects[0].Evidence.Findings[j].URL = s
		}
		for k := range v.Subjects[0].Outcomes {
			for j := range v.Subjects[0].Outcomes[k].Violations {
				if f := v.Subjects[0].Outcomes[k].Violations[j].Finding; f != nil {
					f.URL = "javascript:" + s
				}
			}
		}
		v.Waivers[0].Reference = s
		vs[fmt.Sprint("attack ", i)] = v
	}
	skeleton := map[string]bool{}
	for name, v := range vs {
		got := string(rendered(t, htmlFormat, v))
		safe(t, got)
		if strings.Count(got, "<script") != 1 || strings.Count(got, "</script") != 1 || strings.Count(got, "<style") != 1 || strings.Count(got, "</style") != 1 {
			t.Errorf("%s: another script or style", name)
		}
		body := got[strings.Index(got, "</style>"):strings.Index(got, "<script>")]
		for _, tag := range tags.FindAllString(body, -1) {
			word := regexp.MustCompile(`^</?[a-z0-9]+`).FindString(tag)
			skeleton[word] = true
			for _, a := range regexp.MustCompile(`\s([a-zA-Z-]+)=("[^"]*")?`).FindAllStringSubmatch(tag, -1) {
				if strings.HasPrefix(a[1], "on") || a[1] == "style" || a[1] == "src" || a[2] == "" || a[1] == "href" && !strings.HasPrefix(html.UnescapeString(a[2]), `"https://`) {
					t.Errorf("%s: %s", name, tag)
				}
			}
			if word == "<a" && !strings.Contains(tag, `rel="noreferrer noopener"`) {
				t.Errorf("%s: %s", name, tag)
			}
		}
	}
	for _, bad := range []string{"<img", "<iframe", "<object", "<embed", "<link", "<base", "<meta", "<use", "<image"} {
		if skeleton[bad] {
			t.Errorf("a page holds %s", bad)
		}
	}
}

// TestHTMLPolicy: the policy allows the page's own style and script by their bytes, and nothing else.
func TestHTMLPolicy(t *testing.T) {
	got := string(rendered(t, htmlFormat, pictured()))
	policy := html.UnescapeString(regexp.MustCompile(`Content-Security-Policy" content="([^"]*)"`).FindStringSubmatch(got)[1])
	want := "default-src 'none'"
	for _, kind := range []string{"style", "script"} {
		text := got[strings.Index(got, "<"+kind+">")+len(kind)+2 : strings.Index(got, "</"+kind+">")]
		h := sha256.Sum256([]byte(text))
		want += "; " + kind + "-src 'sha256-" + base64.StdEncoding.EncodeToString(h[:]) + "'"
	}
	if want += "; base-uri 'none'; form-action 'none'"; policy != want {
		t.Errorf("the policy is %s, want %s", policy, want)
	}
}

// TestHTMLIsBounded: of very many violations the gravest are shown, the number left out
// is said, and no text is long.
func TestHTMLIsBounded(t *testing.T) {
	v := many(5000)
	var all, part bytes.Buffer
	if err := report.HTML(&all, v, options); err != nil {
		t.Fatal(err)
	}
	if n := strings.Count(all.String(), `class="entry"`); n != 5000 || all.Len() > 5<<20 {
		t.Errorf("%d entries in %d bytes", n, all.Len())
	}
	if err := report.HTMLWithin(&part, v, options, 500_000); err != nil {
		t.Fatal(err)
	}
	n, critical := strings.Count(part.String(), `class="entry"`), strings.Count(part.String(), `data-severity="critical"`)
	if part.Len() > 600_000 || n < 300 || critical != n || !strings.Contains(part.String(), fmt.Sprintf("%d violations, the least grave, are left out", 5000-n)) {
		t.Errorf("%d entries, %d critical, %d bytes", n, critical, part.Len())
	}
	long := rendered(t, htmlFormat, hostile(strings.Repeat("<A|", 1<<18), strings.Repeat("\x00", 1<<20)))
	safe(t, string(long))
	if len(long) > 1<<20 {
		t.Errorf("%d bytes", len(long))
	}
}

func TestHTMLSaysWhatMatters(t *testing.T) {
	vs := everyVerdict()
	vs["pictured"] = pictured()
	for name, texts := range map[string][]string{
		"passed":      {"PASSED", "production", sha("e"), "2026-03-10T12:00:00Z", "alpine 3.19.1", "searched for secrets"},
		"failed":      {"FAILED", "CVE-2021-36159", "no-critical", "medium-budget", "conda-pkg", "w-2026-014", "not searched for secrets: 1 layer"},
		"error":       {"ERROR", "no advisories", "srv/package-lock.json", "coverage.files"},
		"unopened":    {"ERROR", "401 Unauthorized"},
		"several":     {"FAILED", "linux/amd64", "linux/arm64/v8", "report only", "a time that was given", "must not be used to push"},
		"accepted":    {"PASSED", "opt/broken.jar", "no package was found"},
		"waived":      {"accepted until the next release", "2026-03-13", "CVE-2021-44906", "vulnerable", "vex/old.json", "set by --enforce"},
		"forecast":    {"What will fail by", "2026-03-24", "grace"},
		"empty":       {"ERROR", "nothing was examined"},
		"signatures":  {"PASSED (signatures only)", "no layer was read", "must not be used to push"},
		"failed-fast": {"FAILED", "ended early", "No layer was examined", "built-by-us"},
		"signed":      {"Lineage", "verified by"},
		"pictured":    {"aria-label=\"2 critical, 14 high, 1 unknown\"", "20.8 MiB", "base image", "known to be exploited since 2026-02-01"},
	} {
		got := html.UnescapeString(string(rendered(t, htmlFormat, vs[name])))
		for _, s := range texts {
			if !strings.Contains(got, s) {
				t.Errorf("%s does not say %q", name, s)
			}
		}
		if name == "failed-fast" && strings.Contains(got, "packages listed") {
			t.Error("packages of an image that nobody read are counted")
		}
	}
}

func TestHTMLGolden(t *testing.T) {
	for name, v := range map[string]verdict.Verdict{"pictured": pictured(), "signatures": verdicts()["signatures"], "error": verdicts()["error"]} {
		got := rendered(t, htmlFormat, v)
		golden(t, name+".html", got)
		if !bytes.Equal(got, rendered(t, htmlFormat, v)) {
			t.Error("two pages of one verdict differ")
		}
	}
	for _, f := range append(bills(), htmlFormat) {
		if err := f.render(broken{}, verdicts()["failed"], options); !errors.Is(err, errBroken) {
			t.Errorf("%s: %v", f.name, err)
		}
	}
}

func FuzzHTML(f *testing.F) {
	for _, s := range hostileTexts() {
		if len(s) < 1000 {
			f.Add(s, "x")
		}
	}
	f.Fuzz(func(t *testing.T, a, b string) {
		v := hostile(a, b)
		got := string(rendered(t, htmlFormat, v))
		safe(t, got)
		if strings.Count(got, "<script") != 1 || strings.Count(got, "<img") != 0 {
			t.Errorf("%s", got)
		}
		for _, f := range bills() {
			got := rendered(t, f, v)
			safe(t, string(got))
			for _, s := range decoded(t, f, got) {
				safe(t, s)
			}
		}
	})
}
