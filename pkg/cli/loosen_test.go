// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"encoding/json"
	"go/ast"
	"go/parser"
	"go/token"
	"maps"
	"os"
	"path/filepath"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/pflag"

	"github.com/ocigate/ocigate/pkg/cli"
	"github.com/ocigate/ocigate/pkg/internal/dbtest"
	"github.com/ocigate/ocigate/pkg/internal/imagetest"
	"github.com/ocigate/ocigate/pkg/verdict"
)

// setting is a flag or a variable, why it cannot loosen what an enforced policy
// demands, and values to try.
type setting struct {
	why    string
	values []string
	// green is set for the one that exists to make a failed run exit 0: its verdict
	// must still be what it is.
	green bool
}

// checkFlags lists every flag of `ocigate check`. A new one belongs here, with the
// reason why it can loosen nothing; $DIR is a directory with the files below.
func checkFlags() map[string]setting {
	return map[string]setting{
		"policy":             {why: "stands below --enforce, and is parsed with it", values: []string{"$DIR/lax.yaml", "ocigate:baseline", "$DIR/loose.yaml"}},
		"enforce":            {why: "adds a policy; none is taken away", values: []string{"$DIR/lax.yaml"}},
		"policy-digest":      {why: "refuses to run", values: []string{"sha256:0"}},
		"base":               {why: "is a claim that the layers have to prove and the policy to approve; a wrong one is a violation", values: []string{"scratch", "127.0.0.1:1/base:1", "docker-archive:$DIR/failing.tar"}},
		"dockerfile":         {why: "as base; the lines that it gives are not judged", values: []string{"$DIR/none", "$DIR/lax.yaml", "$DIR/Dockerfile"}},
		"platform":           {why: "fewer than the policy requires is a usage error", values: []string{"linux/amd64", "linux/arm64"}},
		"destination":        {why: "names what the image is pushed to: sections of the enforced policy are the owner's", values: []string{"registry.example.com/x:1", "registry.example.com/loose/x:1"}},
		"first-seen":         {why: "counts only for rules whose grace says since: first-seen", values: []string{"$DIR/first-seen.json", "$DIR/none"}},
		"forecast":           {why: "adds to the report", values: []string{"14d"}},
		"output":             {why: "says where reports go", values: []string{"json", "json=$DIR/out.json"}},
		"color":              {why: "is about looks", values: []string{"always", "never"}},
		"quiet":              {why: "is about progress", values: []string{"true"}},
		"report-only":        {why: "changes the exit code of FAILED, not the verdict, which says so", values: []string{"true"}, green: true},
		"effective-time":     {why: "moves dates only; the verdict says that a time was given", values: []string{"2098-01-01", "2026-06-01 --allow-past"}},
		"allow-past":         {why: "lets a time be past; the verdict says that a time was given", values: []string{"true"}},
		"timeout":            {why: "a run that takes longer is ERROR", values: []string{"1ns", "1h"}},
		"cache-dir":          {why: "the cache keeps what a verified pass found", values: []string{"$DIR/cache2"}},
		"no-layer-cache":     {why: "analyses more", values: []string{"true"}},
		"cache":              {why: "an entry counts only with the seal of OCIGATE_CACHE_KEY; without it, or an answer, layers are analysed here", values: []string{"redis://127.0.0.1:1", "rediss://127.0.0.1:1/3", "$DIR/none"}},
		"cache-ttl":          {why: "forgets sooner or later what a verified pass found", values: []string{"1h", "0d"}},
		"cache-max-size":     {why: "keeps less or more of what a verified pass found", values: []string{"1MiB", "0B"}},
		"db-repository":      {why: "the policy limits the age of the database, and its origin and digest are in the verdict", values: []string{"127.0.0.1:1/db"}},
		"java-db-repository": {why: "as db-repository", values: []string{"127.0.0.1:1/db"}},
		"db-dir":             {why: "as db-repository; one that is not there is ERROR", values: []string{"$DIR/none", "$DIR/empty-db"}},
		"db-downloads":       {why: "a download counts only with the digest that the repository names", values: []string{"$DIR/none", "$DIR/empty-db"}},
		"offline":            {why: "fetches nothing; without a database, or the trust anchors of signatures, it is ERROR", values: []string{"true"}},
		"ca-file":            {why: "trusts a certificate; content is by digest", values: []string{"$DIR/lax.yaml"}},
		"insecure-registry":  {why: "as ca-file", values: []string{"127.0.0.1:1"}},
		"baseline":           {why: "max-growth is ERROR without it, and the verdict names the image that was compared with", values: []string{"$DIR/none", "docker-archive:$DIR/failing.tar"}},
		"bundle":             {why: "adds a signature, which counts only if an authority of the policy made it", values: []string{"$DIR/lax.yaml", "$DIR/none"}},
		"fail-fast":          {why: "ends a run that has failed; what is left is not examined, and nothing of it passes", values: []string{"true"}},
		"no-fix-lookup":      {why: "looks for no newer base after the verdict", values: []string{"true"}},
		"help":               {why: "examines nothing, and gives no verdict", values: nil},
	}
}

// variables lists every environment variable that the program reads by name.
func variables() map[string]setting {
	docker := setting{why: "says where the daemon and the credentials are; content is by digest", values: []string{"$DIR/none"}}
	return map[string]setting{
		"OCIGATE_POLICY":         {why: "stands below --policy and --enforce", values: []string{"$DIR/lax.yaml"}},
		"OCIGATE_ENFORCE":        {why: "adds to --enforce", values: []string{"$DIR/lax.yaml", "", "  "}},
		"OCIGATE_POLICY_DIGEST":  {why: "refuses to run", values: []string{"sha256:0"}},
		"OCIGATE_CACHE_DIR":      {why: "the cache keeps what a verified pass found", values: []string{"$DIR/cache2"}},
		"OCIGATE_CACHE":          {why: "stands below --cache", values: []string{"redis://127.0.0.1:1", "$DIR/none"}},
		"OCIGATE_CACHE_KEY":      {why: "makes entries count that were sealed with it, and no others: who has it vouches for what a verified pass found", values: []string{strings.Repeat("k", 32), "short"}},
		"OCIGATE_CACHE_PASSWORD": {why: "opens what --cache names", values: []string{"hunter2"}},
		"SOURCE_DATE_EPOCH":      {why: "dates the image that rebase makes, as whoever builds an image dates it", values: []string{"1", "4000000000"}},
		"NO_COLOR":               {why: "is about looks", values: []string{"1"}},
		"TERM":                   {why: "is about looks", values: []string{"dumb"}},
		"CLICOLOR_FORCE":         {why: "is about looks", values: []string{"1"}},
		"FORCE_COLOR":            {why: "is about looks", values: []string{"1"}},
		// Only the plug-in reads it.
		"DOCKER_CLI_PLUGIN_SOCKET": {why: "ends a run, which gives no verdict then", values: []string{"$DIR/none"}},
		"CI":                       {why: "is about progress", values: []string{"true"}},
		"DOCKER_HOST":              docker, "DOCKER_CONTEXT": docker, "DOCKER_CONFIG": docker, "DOCKER_TLS": docker, "DOCKER_TLS_VERIFY": docker,
		"DOCKER_CERT_PATH": docker, "HOME": docker, "XDG_RUNTIME_DIR": docker, "XDG_CONFIG_HOME": docker, "REGISTRY_AUTH_FILE": docker,
	}
}

// keyServiceVariables lists those that package signature reads before it asks a key
// management service for a key that the policy names; its own tests try them.
func keyServiceVariables() map[string]string {
	const (
		refused = "would let another service answer: the key is refused where it is set"
		vault   = "says where the vault is, and who asks; the key's fingerprint is in the verdict"
	)
	return map[string]string{
		"AWS_ENDPOINT_URL_KMS": refused, "AWS_ENDPOINT_URL": refused, "AWS_TLS_INSECURE_SKIP_VERIFY": refused,
		"GOOGLE_CLOUD_UNIVERSE_DOMAIN": refused, "VAULT_SKIP_VERIFY": refused, "VAULT_TLS_SERVER_NAME": refused,
		"VAULT_ADDR": vault, "BAO_ADDR": vault, "VAULT_TOKEN": vault, "BAO_TOKEN": vault,
	}
}

// TestEveryFlagIsKnown: those of verify are among those of check, and the same code reads them.
func TestEveryFlagIsKnown(t *testing.T) {
	known := checkFlags()
	seen := map[string]bool{}
	for _, name := range []string{"check", "verify"} {
		command, _, err := cli.Root().Find([]string{name})
		if err != nil || command.Name() != name {
			t.Fatalf("%s: %v", name, err)
		}
		command.InitDefaultHelpFlag()
		visit := func(f *pflag.Flag) {
			seen[f.Name] = true
			if s, ok := known[f.Name]; !ok {
				t.Errorf("%s: --%s is not in the table: why can it loosen no policy?", name, f.Name)
			} else if s.why == "" || len(s.values) == 0 && f.Name != "help" {
				t.Errorf("%s: --%s has no reason or no value to try", name, f.Name)
			}
		}
		command.Flags().VisitAll(visit)
		command.InheritedFlags().VisitAll(visit)
	}
	for name := range known {
		if !seen[name] {
			t.Errorf("--%s is in the table, and no command has such a flag", name)
		}
	}
}

// TestRebaseJudgesAsCheckDoes: its verdict is that of check with the same flags; what it
// has besides says what is made, and where.
func TestRebaseJudgesAsCheckDoes(t *testing.T) {
	own := []string{"old-base", "output-image"}
	command, _, err := cli.Root().Find([]string{"rebase"})
	if err != nil || command.Name() != "rebase" {
		t.Fatal(err)
	}
	command.InitDefaultHelpFlag()
	var got []string
	command.Flags().VisitAll(func(f *pflag.Flag) { got = append(got, f.Name) })
	want := slices.Sorted(maps.Keys(checkFlags()))
	want = append(want, own...)
	slices.Sort(want)
	slices.Sort(got)
	if !slices.Equal(got, want) {
		t.Errorf("rebase has the flags %v, want %v", got, want)
	}
}

// TestEveryVariableIsKnown reads the source: variables are read in package cli and,
// by way of Options.Getenv, in package image. Package signature reads those that a
// policy names, and those of key management services.
func TestEveryVariableIsKnown(t *testing.T) {
	known := variables()
	read := map[string]string{}
	inspect(t, func(file string, n ast.Node) {
		call, ok := n.(*ast.CallExpr)
		if !ok || len(call.Args) != 1 {
			return
		}
		sel, ok := call.Fun.(*ast.SelectorExpr)
		if !ok || !slices.Contains([]string{"Get", "getenv", "Getenv", "LookupEnv"}, sel.Sel.Name) {
			return
		}
		if s := text(call.Args[0]); s != "" && s == strings.ToUpper(s) {
			read[s] = file
		}
	}, ".", "../image", "../policyoci", "../gate", "../signature")
	for name, file := range read {
		if s, ok := known[name]; !ok || s.why == "" || len(s.values) == 0 {
			t.Errorf("%s (%s) is not in the table: why can it loosen no policy?", name, file)
		}
	}
	for name := range known {
		if read[name] == "" {
			t.Errorf("%s is in the table, and nothing reads it", name)
		}
	}
	// Those of key services are read in loops: whatever is spelled like one counts.
	spelled := map[string]bool{}
	inspect(t, func(file string, n ast.Node) {
		if e, ok := n.(ast.Expr); ok && variablePattern.MatchString(text(e)) {
			spelled[text(e)] = true
		}
	}, "../signature")
	if got, want := slices.Sorted(maps.Keys(spelled)), slices.Sorted(maps.Keys(keyServiceVariables())); !slices.Equal(got, want) {
		t.Errorf("package signature names the variables %v, the table %v", got, want)
	}
}

var variablePattern = regexp.MustCompile(`^[A-Z][A-Z0-9]*(_[A-Z0-9]+)+$`)

// inspect shows each node of the source in the directories, tests left out.
func inspect(t *testing.T, show func(file string, n ast.Node), dirs ...string) {
	t.Helper()
	for _, dir := range dirs {
		files, err := filepath.Glob(filepath.Join(dir, "*.go"))
		if err != nil {
			t.Fatal(err)
		}
		for _, file := range files {
			if strings.HasSuffix(file, "_test.go") {
				continue
			}
			tree, err := parser.ParseFile(token.NewFileSet(), file, nil, 0)
			if err != nil {
				t.Fatal(err)
			}
			ast.Inspect(tree, func(n ast.Node) bool {
				show(file, n)
				return true
			})
		}
	}
}

// text is the value of a string literal; empty for anything else.
func text(e ast.Expr) string {
	lit, ok := e.(*ast.BasicLit)
	if !ok || lit.Kind != token.STRING {
		return ""
	}
	s, err := strconv.Unquote(lit.Value)
	if err != nil {
		return ""
	}
	return s
}

const (
	ownerPolicy = `version: 1
name: owner
platforms: [linux/amd64]
database: {max-age: 520w}
rules:
  vulnerabilities:
    - {id: serious, severity: [critical, high, unknown]}
    - {id: graced, severity: [critical, high, unknown], grace: {days: 30}}
  config: [{id: non-root, user: non-root}]
  secrets: [{id: no-secrets}]
images:
  - match: ["registry.example.com/strict/**"]
    rules: {secrets: [{id: strict-secrets}]}
`
	laxPolicy = `version: 1
name: lax
rules:
  secrets: [{id: nothing, max: 10000, action: warn}]
waivers:
  - {id: everything, rule: nothing, until: 2099-12-31, reason: r, owner: o}
  - {id: finding, finding: aws-access-key-id, until: 2099-12-31, reason: r, owner: o}
`
	loosePolicy = `version: 1
name: loose
coverage: {os: optional, packages: optional}
rules:
  config: [{id: non-root, action: warn}]
  secrets: [{id: no-secrets, action: warn, max: 1000}]
`
)

// firstSeen would extend a grace period, if a rule asked for it.
const firstSeen = `{"version": 1, "entries": {"CVE-2099-0001": {"busybox": "2098-12-31", "pkg:apk/alpine/busybox": "2098-12-31"}}}`

// TestNothingLoosens runs an image that fails and one that cannot be decided with each
// flag and variable, and wants neither to become green.
func TestNothingLoosens(t *testing.T) {
	dir := tree(t, map[string]string{"owner.yaml": ownerPolicy, "lax.yaml": laxPolicy, "loose.yaml": loosePolicy, "empty-db/db/metadata.json": "{}",
		"Dockerfile": "FROM scratch\nUSER 65532\n", "first-seen.json": firstSeen})
	advisories, err := filepath.Abs("../../cmd/ocigate/testdata/advisories.yaml")
	if err != nil {
		t.Fatal(err)
	}
	db := dbtest.New(t, dbtest.Spec{Files: []string{advisories}})
	save := func(name, user string, layers ...*imagetest.Layer) {
		image := imagetest.NewImage(layers...)
		image.Config.Config.User = user
		b := imagetest.Tar(imagetest.DockerFiles(imagetest.Saved{Image: image, Tags: []string{"registry.example.com/x:1"}})...)
		if err := os.WriteFile(filepath.Join(dir, name), b, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	save("failing.tar", "", alpine("1.36.1-r28"), imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "app/.env", Body: "aws_access_key_id = \"AKIA" + "0123456789ABCDEF\"\n"}))
	save("undecided.tar", "65532:65532", imagetest.NewLayer(imagetest.Gzip, imagetest.File{Name: "app/nothing", Body: "x"}))
	replace := func(s string) string { return strings.ReplaceAll(s, "$DIR", dir) }
	judge := func(t *testing.T, image string, env map[string]string, args ...string) (int, verdict.Verdict) {
		t.Helper()
		var v verdict.Verdict
		out := filepath.Join(t.TempDir(), "verdict.json")
		all := []string{"check", filepath.Join(dir, image), "--enforce", filepath.Join(dir, "owner.yaml"), "--policy", filepath.Join(dir, "lax.yaml"),
			"--cache-dir", filepath.Join(dir, "cache"), "--output", "json=" + out, "--destination", "registry.example.com/x:1", "--quiet"}
		if !slices.ContainsFunc(args, func(s string) bool { return strings.Contains(s, "repository=127") || strings.HasPrefix(s, "--offline") }) {
			all = append(all, "--db-dir", db)
		}
		base := map[string]string{"HOME": dir}
		maps.Copy(base, env)
		code, _, errs := run(base, append(all, args...)...)
		b, err := os.ReadFile(out)
		if err != nil {
			if code == 0 {
				t.Errorf("exit 0 without a verdict: %s", errs)
			}
			return code, v
		}
		if err := json.Unmarshal(b, &v); err != nil {
			t.Fatal(err)
		}
		return code, v
	}
	// failed are the enforced rules that fail.
	failed := func(v verdict.Verdict) map[string]verdict.Result {
		m := map[string]verdict.Result{}
		for _, s := range v.Subjects {
			for _, o := range s.Outcomes {
				if o.Enforced {
					m[o.Rule] = o.Result
				}
			}
		}
		return m
	}
	code, first := judge(t, "failing.tar", nil)
	if code != 1 || first.Status != verdict.Failed {
		t.Fatalf("failing.tar: exit code %d, %s", code, first.Status)
	}
	for _, rule := range []string{"serious", "graced", "non-root", "no-secrets"} {
		if failed(first)[rule] != verdict.Fail {
			t.Fatalf("failing.tar: %v", failed(first))
		}
	}
	if code, v := judge(t, "undecided.tar", nil); code != 3 || v.Status != verdict.Errored {
		t.Fatalf("undecided.tar: exit code %d, %s", code, v.Status)
	}
	try := func(t *testing.T, s setting, env map[string]string, args ...string) {
		for _, image := range []string{"failing.tar", "undecided.tar"} {
			code, v := judge(t, image, env, args...)
			if code == 0 && !s.green || v.Status == verdict.Passed {
				t.Errorf("%s %v %v: exit code %d, %s", image, env, args, code, v.Status)
			}
			if v.Status != verdict.Failed || image != "failing.tar" {
				continue
			}
			for rule, result := range failed(first) {
				if got := failed(v)[rule]; got != result && got != verdict.Error {
					t.Errorf("%v %v: rule %s: %s, then %s", env, args, rule, result, got)
				}
			}
		}
	}
	for _, name := range slices.Sorted(maps.Keys(checkFlags())) {
		s := checkFlags()[name]
		for _, v := range s.values {
			t.Run("--"+name+"="+v, func(t *testing.T) { try(t, s, nil, strings.Fields("--"+name+"="+replace(v))...) })
		}
	}
	for _, name := range slices.Sorted(maps.Keys(variables())) {
		s := variables()[name]
		for _, v := range s.values {
			t.Run(name+"="+v, func(t *testing.T) { try(t, s, map[string]string{name: replace(v)}) })
		}
	}
	// The variable enforces as the flag does, and a policy in a registry as a file.
	reg := imagetest.NewRegistry(t)
	code, out, errs := run(map[string]string{"HOME": dir}, "policy", "push", filepath.Join(dir, "owner.yaml"), reg.Host+"/owner:1")
	if code != 0 {
		t.Fatal(errs)
	}
	pinned := strings.TrimSpace(out)
	for name, tt := range map[string]struct {
		env           map[string]string
		args          []string
		setBy, source string
	}{
		"by variable":             {map[string]string{"OCIGATE_ENFORCE": filepath.Join(dir, "owner.yaml")}, nil, "OCIGATE_ENFORCE", "owner.yaml"},
		"from a registry":         {nil, []string{"--enforce", pinned}, "--enforce", pinned},
		"by variable, a registry": {map[string]string{"OCIGATE_ENFORCE": pinned}, nil, "OCIGATE_ENFORCE", pinned},
	} {
		t.Run(name, func(t *testing.T) {
			env := map[string]string{"HOME": dir}
			maps.Copy(env, tt.env)
			code, out, errs := run(env, append([]string{"check", filepath.Join(dir, "failing.tar"), "--policy", filepath.Join(dir, "lax.yaml"), "--db-dir", db,
				"--cache-dir", filepath.Join(dir, "cache"), "--destination", "registry.example.com/x:1", "--output", "json"}, tt.args...)...)
			var v verdict.Verdict
			if err := json.Unmarshal([]byte(out), &v); err != nil {
				t.Fatalf("%v %s", err, errs)
			}
			if code != 1 || len(v.Policy.Enforced) != 1 || v.Policy.Enforced[0].SetBy != tt.setBy || !strings.Contains(v.Policy.Enforced[0].Source, tt.source) || failed(v)["no-secrets"] != verdict.Fail {
				t.Errorf("%d %+v", code, v.Policy)
			}
		})
	}
}
