// SPDX-License-Identifier: Apache-2.0

package dockerfile_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/dockerfile"
	"github.com/ocigate/ocigate/pkg/evidence"
)

const whole = `# syntax=docker/dockerfile:1
ARG VERSION=3.20
ARG IMAGE=alpine:${VERSION}
ARG OPEN
FROM --platform=$BUILDPLATFORM golang:1.22 AS Build
RUN --mount=type=secret,id=npm \
    # a comment inside
    go build \
      ./...
FROM ${IMAGE:-busybox} as runtime
ENV A=1 DB_PASSWORD=hunter2
ENV API_TOKEN hunter2
RUN <<EOF
apk add curl
curl -H "Authorization: Bearer hunter2" https://me:hunter2@example.com
EOF
COPY --from=build /app /app
USER $APP_USER
ONBUILD RUN echo hi
FROM runtime
HEALTHCHECK CMD ["true"]
FROM base-$OPEN
`

func TestParse(t *testing.T) {
	d, err := dockerfile.Parse("Dockerfile", []byte(whole))
	if err != nil {
		t.Fatal(err)
	}
	want := []evidence.Stage{
		{Name: "build", Base: "golang:1.22", Line: 5, Instructions: []evidence.Instruction{
			{Keyword: "RUN", Arguments: "go build ./...", Flags: []string{"--mount=type=secret,id=npm"}, Line: 6},
		}},
		{Name: "runtime", Base: "alpine:3.20", Line: 10, Instructions: []evidence.Instruction{
			{Keyword: "ENV", Arguments: "A=1 DB_PASSWORD=********", Line: 11},
			{Keyword: "ENV", Arguments: "API_TOKEN ********", Line: 12},
			{Keyword: "RUN", Arguments: `<<EOF apk add curl curl -H "Authorization: Bearer ********" https://me:********@example.com`, Line: 13},
			{Keyword: "COPY", Arguments: "/app /app", Flags: []string{"--from=build"}, Line: 17},
			{Keyword: "USER", Arguments: "$APP_USER", Line: 18},
			{Keyword: "ONBUILD", Arguments: "RUN echo hi", Line: 19},
		}},
		{Base: "runtime", Line: 20, Instructions: []evidence.Instruction{{Keyword: "HEALTHCHECK", Arguments: `CMD ["true"]`, Line: 21}}},
		{Base: "", Line: 22, Instructions: []evidence.Instruction{}},
	}
	if diff := cmp.Diff(want, d.Stages); diff != "" {
		t.Error(diff)
	}
}

// TestDefaults: an argument has its default from ARG or from where it is used.
func TestDefaults(t *testing.T) {
	for from, want := range map[string]string{
		"${BASE:-alpine:3.20}":           "alpine:3.20",
		"${BASE-alpine:3.20}":            "alpine:3.20",
		"${BASE:-alpine}:${TAG:-3.20}":   "alpine:3.20",
		"${BASE:-${SET}}":                "busybox",
		"${BASE:-alpine}${BASE}":         "",
		"${BASE:-alpine}$BASE":           "",
		"${BASE:-${TAG}}":                "",
		"${BASE:-$TAG}":                  "",
		"${BASE:+alpine}":                "",
		"$BASE":                          "",
		"${BASE}":                        "",
		"${BASE:-}":                      "",
		"${BASE:-alpine}:${TAG}":         "",
		"${BASE:-alpine}:${BASEX:-3.20}": "alpine:3.20",
	} {
		d, err := dockerfile.Parse("D", []byte("ARG BASE\nARG TAG\nARG SET=busybox\nFROM "+from+"\n"))
		if err != nil {
			t.Errorf("%s: %v", from, err)
		} else if got := d.Stages[0].Base; got != want {
			t.Errorf("%s: got %q, want %q", from, got, want)
		}
	}
}

// TestMasked: the rules are those for the image's own history.
func TestMasked(t *testing.T) {
	const value = "s3cr3t-Value/42"
	for _, line := range []string{
		"ENV PGPASSWORD=" + value,
		"ENV PGPASSWORD " + value,
		"ENV DB_PASS=" + value,
		"RUN echo " + value + " | docker login --password-stdin",
		"ENV TOKEN " + value + " and more of it",
		"ENV A=b JWT=" + value,
		"ENV JWT=\"" + value + "\"\nRUN use " + value,
		"LABEL io.example.auth=" + value,
		"ARG NPM_TOKEN=" + value,
		"RUN sshpass -p " + value + " scp x y:",
		"RUN echo 'root:" + value + "' | chpasswd",
		"RUN mysql -u root -p" + value + " < dump.sql",
		"RUN curl -u admin:" + value + " https://example.com/x",
		"RUN use ghp" + "_f1TztwXGsFslRAaTpBG5HI5kKG1OzwvagbC4",
		"CMD [\"app\", \"--password\", \"" + value + "\"]",
		"HEALTHCHECK --interval=3s CMD [\"app\", \"--password\", \"" + value + "\"]",
		"RUN <<EOF\nexport API_KEY='" + value + "'\nEOF",
		"COPY --chown=me . /x\nFROM me:" + value + "@registry.example.com/x",
	} {
		d, err := dockerfile.Parse("D", []byte("FROM a\n"+line+"\n"))
		if err != nil {
			t.Errorf("%s: %v", line, err)
			continue
		}
		b, err := json.Marshal(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, part := range []string{value, "Value/42", "more of it", "TztwXGsFslRAa"} {
			if strings.Contains(string(b), part) {
				t.Errorf("%s: %s is not masked in %s", line, part, b)
			}
		}
	}
	var many strings.Builder
	for i := range 1000 {
		fmt.Fprintf(&many, "ENV TOKEN_%d=v%dalue\n", i, i)
	}
	if _, err := dockerfile.Parse("D", []byte("FROM a\n"+many.String())); err == nil {
		t.Error("more credentials than are searched for")
	}
}

func TestEscape(t *testing.T) {
	d, err := dockerfile.Parse("D", []byte("# escape=`\nFROM a\nRUN dir `\n  c:\\\nUSER x\n"))
	if err != nil {
		t.Fatal(err)
	}
	got := d.Stages[0].Instructions
	if len(got) != 2 || got[0].Arguments != `dir c:\` || got[1].Line != 5 {
		t.Errorf("got %+v", got)
	}
}

func TestMalformed(t *testing.T) {
	cases := map[string]struct{ data, want string }{
		"empty":           {"", "D: file with no instructions"},
		"comments only":   {"# hello\n", "file with no instructions"},
		"no FROM":         {"ARG A=1\n", "D: has no FROM, so it builds nothing"},
		"before FROM":     {"ARG A\nRUN x\nFROM a\n", "D:2: RUN stands before the first FROM"},
		"unknown":         {"FROM a\nroot:x:0:0:hunter2\n", "D:2: unknown instruction; is this a Dockerfile?"},
		"FROM without":    {"FROM\n", "D:1: FROM requires either one or three arguments"},
		"open heredoc":    {"FROM a\nRUN <<EOF\nx\n", "D:2: unterminated heredoc"},
		"bad flag":        {"FROM a\nCOPY --nope=1 a b\n", "D:2: "},
		"bad stage name":  {"FROM a AS 1\n", "D:1: invalid name for build stage"},
		"too large":       {"FROM a\n" + strings.Repeat("#", dockerfile.MaxSize), "a Dockerfile has at most"},
		"a very long row": {"FROM a\nRUN " + strings.Repeat("x", 100_000), "dockerfile line greater than max"},
		"bad escape":      {"# escape=x\nFROM a\n", "invalid escape token"},
	}
	for name, c := range cases {
		t.Run(name, func(t *testing.T) {
			d, err := dockerfile.Parse("D", []byte(c.data))
			var at *dockerfile.Error
			if d != nil || !errors.As(err, &at) {
				t.Fatalf("got %v, %v", d, err)
			}
			if !strings.Contains(err.Error(), c.want) || strings.Contains(err.Error(), "hunter2") || len(err.Error()) > 300 {
				t.Errorf("%q lacks %q", err, c.want)
			}
		})
	}
}

// TestParse_Defaults: what arguments expand to is bounded, in size and in time, and one
// that cannot be resolved leaves the base open.
func TestParse_Defaults(t *testing.T) {
	var bomb, many strings.Builder
	bomb.WriteString("ARG A0=xxxxxxxx\n")
	for i := range 64 {
		fmt.Fprintf(&bomb, "ARG A%d=$A%d$A%d\n", i+1, i, i)
	}
	for i := range 40_000 {
		fmt.Fprintf(&many, "ARG A%d=1\n", i)
	}
	nested := "$A"
	for range 8 {
		nested = "${A//x/" + nested + "}"
	}
	for name, in := range map[string]struct{ text, want string }{
		"doubling":     {bomb.String() + "FROM $A64\n", ""},
		"replacements": {"ARG A=" + strings.Repeat("x", 200) + "\nFROM " + nested + "\n", ""},
		"many":         {many.String() + "FROM a:$A39999\n", "a:1"},
		"redefined":    {"ARG A=good\nARG A=$NONE\nFROM $A\n", ""},
		"plain":        {"ARG R=r.io/x\nARG A=$R:${T:-1}\nFROM ${A}\n", "r.io/x:1"},
		"default":      {"ARG R=r.io/x\nFROM ${R:-y}\n", "r.io/x"},
	} {
		d, err := dockerfile.Parse("D", []byte(in.text))
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		if got := d.Stages[0].Base; got != in.want {
			t.Errorf("%s: base %.80q, want %q", name, got, in.want)
		}
	}
}

func FuzzParse(f *testing.F) {
	for _, s := range []string{whole, "FROM a\nENV A b\n", "# escape=`\nFROM scratch\nADD --checksum=x a b\n", "FROM ${A:?}\n", "ARG A=${A}\nFROM $A"} {
		f.Add([]byte(s))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		d, err := dockerfile.Parse("D", data)
		if (d == nil) == (err == nil) {
			t.Fatalf("%v and %v", d, err)
		}
		if err != nil {
			return
		}
		lines := strings.Count(string(data), "\n") + 1
		for _, s := range d.Stages {
			for _, i := range s.Instructions {
				if i.Line < s.Line || i.Line > lines || strings.ContainsAny(i.Arguments, "\n\r") || i.Keyword == "" {
					t.Errorf("instruction %+v of stage at %d", i, s.Line)
				}
			}
		}
		if _, err := json.Marshal(d); err != nil {
			t.Error(err)
		}
	})
}
