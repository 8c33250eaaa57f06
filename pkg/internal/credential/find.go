// SPDX-License-Identifier: Apache-2.0

package credential

import (
	"regexp"
	"slices"
	"strings"
	"sync"
)

// The rules by which a credential is recognised other than by its own form.
const (
	ruleName   = "name"
	ruleURL    = "url-password"
	ruleHeader = "authorization-header"
	ruleOption = "command-line-password"
)

// form is the well-known look of a credential. The last group that matches is the
// value, the whole where there is none.
type form struct {
	rule string
	re   *regexp.Regexp
}

func forms(pairs ...string) func() []form {
	return sync.OnceValue(func() []form {
		var out []form
		for i := 0; i+1 < len(pairs); i += 2 {
			out = append(out, form{pairs[i], regexp.MustCompile(pairs[i+1])})
		}
		return out
	})
}

// tokens are credentials by what they look like, wherever they stand. The names are
// those of Trivy's rules where it has one.
var tokens = forms(
	"private-key", `(?s)-----BEGIN [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----.*?(?:-----END [A-Z0-9 ]*PRIVATE KEY(?: BLOCK)?-----|$)`,
	"aws-access-key-id", `\b(?:AKIA|ASIA|ABIA|ACCA|AGPA|AIDA|AROA|ANPA|ANVA)[A-Z0-9]{16}\b`,
	"github-pat", `\bgh[pousr]_[A-Za-z0-9]{20,}`,
	"github-fine-grained-pat", `\bgithub_pat_[A-Za-z0-9_]{20,}`,
	"gitlab-pat", `\bgl(?:pat|dt|rt|cbt|ptt|ft|soat|oas|agent|imt|ffct)-[A-Za-z0-9_.-]{20,}`,
	"slack-access-token", `\bxox[a-z]-[A-Za-z0-9-]{10,}|\bxapp-[A-Za-z0-9-]{10,}`,
	"slack-web-hook", `hooks\.slack\.com/services/[A-Za-z0-9/_-]{20,}`,
	"google-api-key", `\bAIza[A-Za-z0-9_-]{35}|\bya29\.[A-Za-z0-9_-]{20,}|\bGOCSPX-[A-Za-z0-9_-]{20,}`,
	"stripe-secret-token", `\b[sr]k_(?:live|test)_[A-Za-z0-9]{10,}|\bwhsec_[A-Za-z0-9+/=]{20,}`,
	"npm-access-token", `\bnpm_[A-Za-z0-9]{36}`,
	"pypi-upload-token", `\bpypi-[A-Za-z0-9_-]{30,}`,
	"dockerhub-pat", `\bdckr_(?:pat|oat)_[A-Za-z0-9_-]{20,}`,
	"hugging-face-access-token", `\bhf_[A-Za-z0-9]{30,}`,
	"openai-api-key", `\bsk-(?:[a-z0-9]+-)?[A-Za-z0-9_-]*[A-Z0-9][A-Za-z0-9_-]{20,}`,
	"sendgrid-api-token", `\bSG\.[A-Za-z0-9_-]{16,}\.[A-Za-z0-9_-]{16,}`,
	"shopify-token", `\bshp(?:at|ca|pa|ss)_[A-Fa-f0-9]{32}`,
	"digitalocean-token", `\bdo[por]_v1_[a-f0-9]{64}`,
	"hashicorp-vault-token", `\bhv[sbr]\.[A-Za-z0-9_-]{20,}`,
	"age-secret-key", `\bAGE-SECRET-KEY-1[A-Z0-9]{50,}`,
	"jwt-token", `\bey[A-Za-z0-9_-]{10,}\.ey[A-Za-z0-9_-]{10,}\.[A-Za-z0-9_-]*`,
)

// contexts are credentials by what stands around them.
var contexts = forms(
	ruleURL, `[A-Za-z][A-Za-z0-9+.-]*://[^\s/:@"']*:([^\s"']+)@`,
	ruleURL, `https?://([^\s/:@"']{16,})@`,
	ruleHeader, `(?i)authorization\\?["']?\s*[:=]\s*\\?["']?(?:[a-z-]+\s+)?([^\s"'\\]+)`,
	ruleHeader, `(?i)\bbearer\s+([A-Za-z0-9._~+/=-]{8,})`,
	ruleOption, `(?:curl|wget|https?)\b[^;&|]*?\s(?:-u|--user|--proxy-user|-U)[\s=]*["']?[^\s:"']*:([^\s"']+)`,
	ruleOption, `(?:^|[\s"'=])[\w.-]+:([^\s"'|]+)\\?["']?\s*\|\s*(?:sudo\s+)?(?:/usr/sbin/)?chpasswd\b`,
	ruleOption, `\bchpasswd\b[^;&|]*<<<\s*["']?[\w.-]+:([^\s"']+)`,
	ruleOption, `\becho\s+(?:-\w+\s+)*["']?([^\s"'|]+)["']?\s*\|\s*(?:sudo\s+)?passwd\b`,
	ruleOption, `\bsshpass\s+-p\s*(\S+)`,
	ruleOption, `\b(?:docker|podman|skopeo|buildah|crane|oras|helm|nerdctl)\s+(?:\S+\s+)?login\b[^;&|]*\s-p[\s=]*(\S+)`,
	ruleOption, `\b(?:useradd|usermod)\b[^;&|]*\s(?:-p|--password)[\s=]+(\S+)`,
	ruleOption, `\bmysql\w*\b[^;&|]*\s-p([^\s;&|]+)`,
	ruleOption, `\becho\s+(?:-\w+\s+)*["']?([^\s"'|]+)["']?\s*\|[^;&]*--password-stdin`,
)

var portAndPath = sync.OnceValue(func() *regexp.Regexp { return regexp.MustCompile(`^[0-9]{1,5}/`) })

func find(list []form, text string) []hit {
	var out []hit
	for _, f := range list {
		for _, at := range f.re.FindAllStringSubmatchIndex(text, -1) {
			from, to := at[0], at[1]
			if n := len(at); n > 2 && at[n-2] >= 0 {
				from, to = at[n-2], at[n-1]
			}
			// docker://name:tag@digest and http://host:80/me@x name no password.
			address := f.rule == ruleURL && (strings.HasPrefix(text[to:], "@sha256:") || portAndPath().MatchString(text[from:to]))
			if !address && !harmless("", text[from:to]) {
				out = append(out, hit{from, to, f.rule})
			}
		}
	}
	return out
}

// knownForms finds only what is a credential by itself.
func knownForms(text string) []hit { return find(tokens(), text) }

// credentialsIn finds credentials in a text of any kind: a value, a word, a command.
func credentialsIn(text string) []hit {
	out := append(find(tokens(), text), find(contexts(), text)...)
	return append(out, append(assigned(text), options(text)...)...)
}

var (
	assignment = regexp.MustCompile(`([A-Za-z_][A-Za-z0-9_.-]*)\\?["']?\s*([=:])\s*`)
	option     = regexp.MustCompile(`(?:^|\s)(--?[A-Za-z][A-Za-z0-9-]*)\s+`)
)

// maxScanned bounds how much of a text is looked at for values, which may lie within
// one another.
const maxScanned = 4 << 20

// assigned finds values behind the name of a credential: x=, x: and "x": of shells,
// options, URLs and configuration files.
func assigned(text string) []hit {
	var out []hit
	scanned := 0
	for _, at := range assignment.FindAllStringSubmatchIndex(text, -1) {
		name, colon := text[at[2]:at[3]], text[at[4]] == ':'
		if !credentialName(name) || colon && strings.HasPrefix(text[at[1]:], "//") {
			continue
		}
		from, to := valueAt(text, at[1])
		if scanned += to - from; scanned > maxScanned {
			return append(out, hit{0, len(text), ruleName}) // too much rather than too little
		}
		if !harmless(name, text[from:to]) {
			out = append(out, hit{from, to, ruleName})
		}
	}
	return out
}

func options(text string) []hit {
	var out []hit
	for _, at := range option.FindAllStringSubmatchIndex(text, -1) {
		if name := text[at[2]:at[3]]; credentialName(name) && !strings.HasPrefix(text[at[1]:], "-") {
			if from, to := valueAt(text, at[1]); !harmless(name, text[from:to]) {
				out = append(out, hit{from, to, ruleName})
			}
		}
	}
	return out
}

// valueAt is where the word is, quoted or not, that begins at from.
func valueAt(text string, from int) (int, int) {
	rest := text[from:]
	quote := strings.TrimPrefix(rest, `\`)
	n := strings.IndexAny(rest, " \t\r\n\"'`;&|<>)")
	if quote != "" && (quote[0] == '"' || quote[0] == '\'') {
		skip := len(rest) - len(quote) + 1
		from, rest = from+skip, rest[skip:]
		n = strings.IndexByte(rest, quote[0])
		for n > 0 && skip == 1 && rest[n-1] == '\\' {
			next := strings.IndexByte(rest[n+1:], quote[0])
			if next < 0 {
				n = -1
				break
			}
			n += 1 + next
		}
	}
	if n < 0 {
		n = len(rest)
	}
	return from, from + n
}

var (
	declaration = regexp.MustCompile(`^(?:/bin/sh -c )?(?:#\(nop\)\s+)?(?:(?i:ENV|ARG|LABEL))\s+`)
	buildArgs   = regexp.MustCompile(`^(?:RUN )?\|[0-9]+ (.*?) ?(?:/\S+sh|cmd|powershell)\b`)
	declared    = regexp.MustCompile(`(?:^|\s)["']?([A-Za-z_][A-Za-z0-9_./-]*)["']?=`)
)

// credentialsInInstruction also knows how builders write variables into the
// history: without quotes, so that a value ends where the next name begins.
func credentialsInInstruction(text string) []hit {
	out := credentialsIn(text)
	if at := declaration.FindStringIndex(text); at != nil {
		return append(out, declarations(text, at[1], len(text))...)
	}
	if at := buildArgs.FindStringSubmatchIndex(text); at != nil {
		return append(out, declarations(text, at[2], at[3])...)
	}
	return out
}

func declarations(text string, from, to int) []hit {
	part := text[from:to]
	all := declared.FindAllStringSubmatchIndex(part, -1)
	if len(all) == 0 || all[0][0] > 0 {
		// The old form: ENV NAME value.
		name, value, _ := strings.Cut(part, " ")
		if value = strings.TrimSpace(value); credentialName(name) && !harmless(name, value) {
			return []hit{{from + strings.LastIndex(part, value), from + len(strings.TrimRight(part, " ")), ruleName}}
		}
	}
	var out []hit
	for i, at := range all {
		end := len(part)
		if i+1 < len(all) {
			end = all[i+1][0]
		}
		name, value := part[at[2]:at[3]], strings.TrimRight(part[at[1]:end], " ")
		value = strings.TrimSuffix(value, " # buildkit")
		if credentialName(name) && !harmless(name, value) {
			out = append(out, hit{from + at[1], from + at[1] + len(value), ruleName})
		}
	}
	return out
}

// isVariable says whether s is NAME=value.
func isVariable(s string) bool {
	name, _, _ := strings.Cut(s, "=")
	return name != "" && strings.Trim(name, "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789_") == ""
}

func isFlag(s string) bool { return len(s) > 1 && s[0] == '-' && !strings.ContainsAny(s, "= ") }

var (
	variable    = regexp.MustCompile(`^(?:\$\{?[A-Z_][A-Z0-9_]*\}?|\$\(.*|%[A-Z_][A-Z0-9_]*%|\{\{.*\}\})$`)
	placeholder = regexp.MustCompile(`^<[^<>]*>$`)
	plainPath   = regexp.MustCompile(`^(?:file://)?(?:/(?:run|var|etc|usr|opt|home|root|tmp|app|mnt|srv)/[A-Za-z0-9_./-]*|/[A-Za-z0-9_./-]+\.(?:json|pem|key|crt|txt|ya?ml|conf|env))$`)
	truth       = words("true false yes no on off none null nil enabled disabled 0 1")
)

// reference says whether a text stands for a value that is elsewhere.
func reference(s string) bool {
	s = strings.Trim(s, "\"' \t\r\n")
	return s == "" || variable.MatchString(s) || placeholder.MatchString(s) || strings.Trim(s, "*") == ""
}

// harmless says whether the value of something named like a credential is none.
func harmless(name, value string) bool {
	value = strings.Trim(value, "\"' \t\r\n")
	if reference(value) || plainPath.MatchString(value) || slices.Contains(truth, strings.ToLower(value)) {
		return true
	}
	parts := splitName(name)
	plural := slices.Contains(parts, "tokens") || slices.Contains(parts, "passwords")
	return plural && strings.Trim(value, "0123456789") == ""
}
