// SPDX-License-Identifier: Apache-2.0

package report_test

import (
	"bytes"
	"os"
	"os/exec"
	"regexp"
	"strings"
	"testing"

	"github.com/ocigate/ocigate/pkg/report"
)

// TestMarkdownRenders reads reports as GitHub's own parser does: whatever an image is called,
// there are no elements, links or pictures but those of the report, and no row of a table
// has a cell too many.
func TestMarkdownRenders(t *testing.T) {
	cmark, err := exec.LookPath("cmark-gfm")
	if err != nil {
		if os.Getenv("OCIGATE_CI") != "" {
			t.Fatal("cmark-gfm is needed in this run: apt-get install cmark-gfm")
		}
		t.Skip("cmark-gfm is not installed")
	}
	element := regexp.MustCompile(`<[^>]*>`)
	known := regexp.MustCompile(`^</?(h[234]|p|strong|br|table|thead|tbody|tr|th|td|code|pre)( /|)>$|^<code class="language-text">$`)
	for name, v := range everyVerdict() {
		cmd := exec.Command(cmark, "--unsafe", "-e", "table", "-e", "autolink", "-e", "strikethrough", "-e", "tasklist", "-t", "html")
		cmd.Stdin = bytes.NewReader(rendered(t, formats()[4], v))
		out, err := cmd.Output()
		if err != nil {
			t.Fatal(err)
		}
		for _, e := range element.FindAllString(string(out), -1) {
			if !known.MatchString(e) {
				t.Errorf("%s: %s", name, e)
			}
		}
		if v.Status != "" && !strings.Contains(string(out), "<table>") {
			t.Errorf("%s has no table", name)
		}
		// What becomes a link or a mention after Markdown was read: see escapeMarkdown.
		text := regexp.MustCompile(`(?s)<(pre|code)[^>]*>.*?</(pre|code)>`).ReplaceAllString(string(out), "")
		if m := regexp.MustCompile(`https?://|www\.|@\w|#\d`).FindString(element.ReplaceAllString(text, "")); m != "" {
			t.Errorf("%s: %q can become a link", name, m)
		}
	}
}

func TestEscapeMarkdown(t *testing.T) {
	for in, want := range map[string]string{
		"plain 1.2-r0 (x)": "plain 1.2-r0 (x)", "a|b: c": "a&#124;b: c", "<b>&": "&#60;b&#62;&#38;", "@me #1": "&#64;&#8203;me &#35;&#8203;1",
		"https://x www.y": "https:&#8203;//x www&#8203;.y", "[a](b)": "&#91;a&#93;(b)", "`x`\n": "&#96;x&#96;&#92;n",
	} {
		if got := report.EscapeMarkdown(in); got != want {
			t.Errorf("%q: %q, want %q", in, got, want)
		}
	}
}

// TestMarkdownLimit: whole rows go, the least severe first, and the report says how many.
func TestMarkdownLimit(t *testing.T) {
	v := verdicts()["failed"]
	full := rendered(t, formats()[4], v)
	for most := 400; most < len(full)+100; most += 700 {
		var b bytes.Buffer
		if err := report.MarkdownWithin(&b, v, most); err != nil {
			t.Fatal(err)
		}
		got := b.String()
		if len(got) > most {
			t.Errorf("%d bytes, at most %d", len(got), most)
		}
		if len(got) < len(full) && !strings.Contains(got, "left out") {
			t.Errorf("with %d bytes nothing says that something is left out", most)
		}
		if !strings.HasPrefix(got, "## ❌ FAILED") {
			t.Errorf("no verdict: %.60q", got)
		}
		if strings.Contains(got, "CVE-2020-8213") && !strings.Contains(got, "CVE-2021-36159") {
			t.Error("the most severe went first")
		}
	}
}
