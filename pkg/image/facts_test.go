// SPDX-License-Identifier: Apache-2.0

package image_test

import (
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"os"
	"runtime"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	v1 "github.com/google/go-containerregistry/pkg/v1"

	"github.com/ocigate/ocigate/pkg/evidence"
	"github.com/ocigate/ocigate/pkg/image"
)

// value is an invented secret; it must be found nowhere.
const value = "s3cr3t-Value/42"

func configOf(change func(*v1.ConfigFile)) *image.Image {
	c := &v1.ConfigFile{}
	change(c)
	return &image.Image{Subject: evidence.Subject{Reference: "x", Digest: "sha256:aa"}, Config: c}
}

func facts(t testing.TB, img *image.Image, known ...image.KnownSecret) *evidence.Config {
	t.Helper()
	c, err := image.Facts(img, known)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func wantMasked(t *testing.T, c *evidence.Config, secrets ...string) {
	t.Helper()
	b, err := json.Marshal(c)
	if err != nil {
		t.Fatal(err)
	}
	for _, s := range secrets {
		if strings.Contains(string(b), s) {
			t.Errorf("%s is not masked in %s", s, b)
		}
	}
}

func places(c *evidence.Config) []string {
	var out []string
	for _, k := range c.Credentials {
		out = append(out, strings.TrimSpace(k.Place+" "+k.Name))
	}
	return out
}

func TestCredentialsInSteps(t *testing.T) {
	for _, step := range []string{
		"ENV DB_PASSWORD=" + value,
		"/bin/sh -c #(nop)  ENV DB_PASSWORD=" + value,
		"/bin/sh -c #(nop) ENV DB_PASSWORD " + value,
		"ENV A=b PGPASSWORD=" + value + " C=d",
		"ENV TOKEN=" + value + " and more of it",
		"ARG NPM_TOKEN=" + value,
		"LABEL password=" + value,
		"|1 TOKEN=" + value + " /bin/sh -c npm ci",
		"RUN |2 A=b TOKEN=" + value + " with blanks /bin/sh -c npm ci # buildkit",
		"RUN export API_KEY='" + value + "' && make",
		`RUN echo "{\"password\": \"` + value + `\"}" > /etc/x`,
		"RUN --build-arg SECRET_KEY=" + value,
		"RUN app --password " + value + " --verbose",
		"RUN app --db-password=" + value,
		"RUN curl -sSf -u admin:" + value + " https://example.com/x | tar x",
		"RUN wget https://admin:" + value + "@example.com/x",
		"RUN pip install --index-url https://" + strings.ReplaceAll(value, "/", "-") + "abcdef@pypi.example.com/simple x",
		"RUN curl -H 'Authorization: Bearer " + value + "' https://example.com",
		"RUN curl -H \"PRIVATE-TOKEN: " + value + "\" https://example.com",
		"RUN curl https://example.com/x?access_token=" + value,
		"RUN npm config set //registry.npmjs.org/:_authToken=" + value,
		"RUN echo 'root:" + value + "' | chpasswd",
		"RUN echo " + value + " | passwd root --stdin",
		"RUN sshpass -p " + value + " scp x y:",
		"RUN docker login -u me -p " + value + " registry.example.com",
		"RUN useradd -m -p " + value + " me",
		"RUN mysql -u root -p" + value + " < dump.sql",
		"RUN echo " + value + " | docker login -u me --password-stdin",
	} {
		c := facts(t, configOf(func(c *v1.ConfigFile) { c.History = []v1.History{{CreatedBy: step}} }))
		wantMasked(t, c, value, strings.ReplaceAll(value, "/", "-"), "Value/42", "more of it", "with blanks")
		if !slices.Contains(places(c), "history 1") {
			t.Errorf("%s: not listed: %+v", step, c.Credentials)
		}
	}
}

// split keeps scanners of secrets from finding invented ones here.
func split(parts ...string) string { return strings.Join(parts, "") }

func TestCredentialsByForm(t *testing.T) {
	for _, s := range []string{
		split("AKIA", "BPIOOPLV5PFTAMI2"), split("ghp", "_f1TztwXGsFslRAaTpBG5HI5kKG1OzwvagbC4"),
		split("github", "_pat_11ABCDEFG0123456789abcdefghijklmnop"), split("glpat", "-cUNU-7WZFQ0d8chbhWpZ"),
		split("xoxb", "-158321411804-190340438859-zMzGltlxJiNngBEDsRwl9ACY"), split("AIza", "SyA0123456789abcdefghijklmnopqrstuv"),
		split("sk", "_live_0123456789abcdef"), split("npm", "_Fj5hgoXHmPwgUP8f2kFHGwZTH5yTYeNNBNGo"),
		split("eyJhbGciOiJIUzI1NiJ9", ".eyJzdWIiOiIxMjM0NSJ9", ".abc-def_123"),
		split("-----BEGIN RSA PRIV", "ATE KEY-----\nMIIEpAIBAAKCAQEA\nabc\n-----END RSA PRIV", "ATE KEY-----"),
		split("-----BEGIN PRIV", "ATE KEY-----\\nMIIEpAIBAAKCAQEA"),
		split("https", "://hooks.slack.com/services/T00000000/B00000000/XXXXXXXXXXXXXXXXXXXXXXXX")[len("https://"):],
	} {
		c := facts(t, configOf(func(c *v1.ConfigFile) {
			c.Config.Env = []string{"NOTE=see " + s, s + "=1"}
			c.Config.Labels = map[string]string{"note": s, s: "key"}
			c.Config.Entrypoint, c.Config.Cmd = []string{"app", s}, []string{"--x=" + s}
			c.Config.Healthcheck = &v1.HealthConfig{Test: []string{"CMD-SHELL", "check " + s}}
			c.Config.OnBuild = []string{"RUN use " + s}
			c.History = []v1.History{{CreatedBy: "RUN use " + s, Comment: s}}
			c.Config.WorkingDir = "/" + s
		}))
		wantMasked(t, c, s, "MIIE", s[len(s)/2:])
		want := []string{"cmd", "entrypoint", "env " + evidence.Masked, "env NOTE", "healthcheck", "history 1", "label note", "onbuild 1"}
		for _, w := range want[:2] {
			if !slices.Contains(places(c), w) {
				t.Errorf("%s: %q is not listed: %q", s, w, places(c))
			}
		}
	}
}

func TestWhatIsNoCredential(t *testing.T) {
	env := []string{
		"PATH=/usr/bin", "DB_PASSWORD_FILE=/run/secrets/db", "PASSWORD_STORE_DIR=/x y", "TOKEN_URL=https://example.com/token",
		"API_TOKEN=", "API_TOKEN=$TOKEN", "API_TOKEN=${TOKEN}", "ENABLE_AUTH=maybe", "ALLOW_EMPTY_PASSWORD=yes", "USE_TOKEN=false",
		"GPG_KEY=E3FF2839C048B25C084DEBE9B26995E310250568", "SSH_AUTH_SOCK=/x.sock", "MAX_TOKENS=4096", "AUTH_TYPE=basic", "PWD=/app", "OLDPWD=/",
		"GIT_ASKPASS=/bin/true", "PUBLIC_KEY=abc", "AUTHOR=me", "COMPASS=north", "MONKEY=banana", "KEYBOARD=us", "SECRET_NAME=db",
		"PASSWORD=<your password>", "GOOGLE_APPLICATION_CREDENTIALS=/key.json", "TASK=task-0123456789abcdef0123456789", "DIGEST=docker://alpine:3.20@sha256:00",
	}
	steps := []string{
		"RUN apk add --no-cache pass-store keyring # buildkit", "RUN groupadd -g 1000 app && useradd -u 1000:1000 app",
		"RUN --mount=type=secret,id=npm npm ci", "COPY --chown=1000:1000 . /app", "RUN docker run -u 1000:1000 x",
		"RUN bash --login -c 'mkdir -p /app'", "RUN apt-get install -y mysql-client && mkdir -p /x",
	}
	c := facts(t, configOf(func(c *v1.ConfigFile) {
		c.Config.Env = env
		for _, s := range steps {
			c.History = append(c.History, v1.History{CreatedBy: s})
		}
		c.Config.Labels = map[string]string{"org.opencontainers.image.authors": "me", "org.opencontainers.image.source": "https://example.com/x"}
	}))
	for i, e := range c.Env {
		if got := e.Name + "=" + e.Value; got != env[i] {
			t.Errorf("%s became %s", env[i], got)
		}
	}
	for i, h := range c.History {
		if h.CreatedBy != steps[i] {
			t.Errorf("%s became %s", steps[i], h.CreatedBy)
		}
	}
	if len(c.Credentials) > 0 {
		t.Errorf("%+v", c.Credentials)
	}
}

// TestMaskedEverywhere: what one place gives away is masked in all of them.
func TestMaskedEverywhere(t *testing.T) {
	c := facts(t, configOf(func(c *v1.ConfigFile) {
		c.Config.Env = []string{"DB_PASSWORD=correct horse \"x\"", "PIN_TOKEN=abc", "OTHER=fabcd abc", "PASSWORD=x"}
		c.Config.Labels = map[string]string{"note": "correct horse \"x\"", "x": "abc", "y": "x y"}
		c.Config.Cmd = []string{"sh", "-c", `run "correct horse \"x\""`, "--password", "zzz-9", "correct%20horse%20%22x%22"}
		c.History = []v1.History{{CreatedBy: `RUN use correct\ horse\ "x"`}, {CreatedBy: "RUN use zzz-9 and abc"}}
		c.Config.Volumes = map[string]struct{}{"/data/zzz-9": {}}
	}))
	wantMasked(t, c, "correct", "horse", "zzz-9")
	if got := c.Env[2].Value; got != "fabcd "+evidence.Masked {
		t.Errorf("a short value within a word: %q", got)
	}
	if c.Labels["y"] != "x y" || c.Labels["x"] != evidence.Masked || c.Env[3].Value != evidence.Masked {
		t.Errorf("%+v", c)
	}
	one, two := c.Credentials[slices.Index(places(c), "env DB_PASSWORD")], c.Credentials[slices.Index(places(c), "label note")]
	if one.Hash == "" || one.Hash != two.Hash || !strings.HasPrefix(one.Hash, "sha256:") {
		t.Errorf("one secret, two hashes: %+v, %+v", one, two)
	}
	other := facts(t, &image.Image{Subject: evidence.Subject{ImageID: "sha256:bb"}, Config: &v1.ConfigFile{Config: v1.Config{Env: []string{"DB_PASSWORD=correct horse \"x\""}}}})
	if other.Credentials[0].Hash == one.Hash {
		t.Error("the hash is not salted with the subject's digest")
	}
}

func TestKnownSecrets(t *testing.T) {
	img := configOf(func(c *v1.ConfigFile) {
		c.Config.Env = []string{"HARMLESS=quite-unsuspicious", "B=wholly-unsuspicious"}
		c.History = []v1.History{{CreatedBy: "RUN x quite-unsuspicious"}}
	})
	c := facts(t, img, image.KnownSecret{Rule: "trivy-rule", Value: "quite-unsuspicious"}, image.KnownSecret{Rule: "other", Value: "B=wholly-unsuspicious"})
	wantMasked(t, c, "unsuspicious")
	if diff := cmp.Diff([]string{"env B", "env HARMLESS", "history 1"}, places(c)); diff != "" || c.Credentials[1].Rule != "trivy-rule" {
		t.Errorf("%s %+v", diff, c.Credentials)
	}
}

func TestPortsAndVolumes(t *testing.T) {
	c := facts(t, configOf(func(c *v1.ConfigFile) {
		c.Config.ExposedPorts = map[string]struct{}{"8000-8010/udp": {}, "80": {}, "443/TCP": {}, "0/tcp": {}, "99999": {}, "9-8": {}, "http": {}, "5/icmp": {}, "53/sctp": {}, "-1": {}, "": {}}
		c.Config.Volumes = map[string]struct{}{"/data/": {}, "data": {}, "/a/../b": {}, "": {}}
	}))
	var got []string
	for _, p := range c.Ports {
		got = append(got, fmt.Sprintf("%d-%d/%s %s", p.First, p.Last, p.Protocol, p.Raw))
	}
	want := []string{
		"0-0/ ", "0-0/ -1", "0-0/ 0/tcp", "0-0/ 5/icmp", "0-0/ 9-8", "0-0/ 99999", "0-0/ http",
		"53-53/sctp 53/sctp", "80-80/tcp 80", "443-443/tcp 443/TCP", "8000-8010/udp 8000-8010/udp",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
	if diff := cmp.Diff([]string{"/", "/b", "/data"}, c.Volumes); diff != "" {
		t.Error(diff)
	}
}

func TestFactsAreBounded(t *testing.T) {
	for name, change := range map[string]func(*v1.ConfigFile){
		"texts": func(c *v1.ConfigFile) { c.Config.Cmd = make([]string, 30_000) },
		"bytes": func(c *v1.ConfigFile) { c.Config.Cmd = []string{strings.Repeat("x", 3<<20)} },
		"credentials": func(c *v1.ConfigFile) {
			for i := range 1000 {
				c.Config.Env = append(c.Config.Env, fmt.Sprintf("TOKEN_%d=v%dalue", i, i))
			}
		},
	} {
		_, err := image.Facts(configOf(change), nil)
		if e, ok := errors.AsType[*image.Error](err); !ok || e.Kind != image.KindLimit {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestLayerSteps(t *testing.T) {
	c := &evidence.Config{History: []evidence.HistoryEntry{{CreatedBy: "ADD x"}, {CreatedBy: "ENV", EmptyLayer: true}, {CreatedBy: "RUN y"}}}
	if diff := cmp.Diff([]string{"ADD x", "RUN y"}, image.LayerSteps(c, 2)); diff != "" {
		t.Error(diff)
	}
	if image.LayerSteps(c, 3) != nil || image.LayerSteps(nil, 1) != nil {
		t.Error("steps that fit no layer")
	}
}

// TestFacts_Nested: values that lie within one another, as in token=token=…, cost what
// the text is long, not its square.
func TestFacts_Nested(t *testing.T) {
	for _, word := range []string{"token=", "token=$(", `token=\"`, "token: '"} {
		img := &image.Image{Config: &v1.ConfigFile{}}
		value := strings.Repeat(word, 1_000_000/len(word))
		img.Config.Config.Env = []string{"A=" + value}
		var before, after runtime.MemStats
		runtime.ReadMemStats(&before)
		config, err := image.Facts(img, nil)
		runtime.ReadMemStats(&after)
		if err == nil && strings.Contains(config.Env[0].Value, value) {
			t.Errorf("%s is not masked", word)
		}
		if n := after.TotalAlloc - before.TotalAlloc; n > 1<<30 {
			t.Errorf("%s: took %d MiB", word, n>>20)
		}
	}
}

func FuzzFacts(f *testing.F) {
	f.Add("RUN x --password "+value, "DB_PASSWORD="+value, "a", value)
	f.Add("|1 A=", "=", `"`, `\"`)
	f.Fuzz(func(t *testing.T, step, env, label, password string) {
		c, err := image.Facts(configOf(func(c *v1.ConfigFile) {
			c.Config.Env = []string{env, "X_PASSWORD=pw-" + password}
			c.Config.Labels = map[string]string{label: env}
			c.History = []v1.History{{CreatedBy: step}, {CreatedBy: "RUN use pw-" + password}}
		}), nil)
		if err != nil || strings.Contains(password, "$") || strings.ContainsAny(password, "\"'\\ \t\r\n") {
			return
		}
		if got := c.History[1].CreatedBy; len(password) > 8 && strings.Contains(got, password) {
			t.Errorf("%q is not masked in %q", password, got)
		}
	})
}

// TestRealConfig reads images of which it is known what they hold.
func TestRealConfig(t *testing.T) {
	planted := facts(t, open(t, "oci-archive:"+shared(t, "planted.oci.tar"), options(t)).Images[0])
	truth, err := os.ReadFile(shared(t, "planted-truth.json"))
	if err != nil {
		t.Fatal(err)
	}
	var secrets map[string]string
	if err := json.Unmarshal(truth, &secrets); err != nil {
		t.Fatal(err)
	}
	wantMasked(t, planted, append(slices.Collect(maps.Values(secrets)), "hunter2")...)
	if diff := cmp.Diff([]string{"env AWS_SECRET_ACCESS_KEY", "env DB_PASSWORD", "history 3"}, places(planted)); diff != "" {
		t.Error(diff)
	}
	if planted.Ports[0].First != 22 || planted.Annotations["org.opencontainers.image.base.name"] != "docker.io/library/alpine:latest" {
		t.Errorf("%+v", planted)
	}
	clean := facts(t, open(t, "oci-archive:"+shared(t, "hardened-clean.oci.tar"), options(t)).Images[0])
	if len(clean.Credentials) > 0 || clean.Healthcheck == nil || clean.Labels["org.opencontainers.image.source"] != "https://example.test/app" {
		t.Errorf("%+v", clean)
	}
}
