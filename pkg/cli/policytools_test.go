// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"bytes"
	"encoding/json"
	"regexp"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/ocigate/ocigate/pkg/cli"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/policies"
)

// ocigate runs the command line in this process.
func ocigate(t *testing.T, args ...string) (out, errs string, code int) {
	t.Helper()
	var o, e bytes.Buffer
	code = cli.Main(args, cli.Streams{In: strings.NewReader(""), Out: &o, Err: &e}, func(string) (string, bool) { return "", false })
	return o.String(), e.String(), code
}

// TestInitSaysWhatIsShipped: the rules are those of the shipped policy, and what
// stands in comments is policy too once the # is gone.
func TestInitSaysWhatIsShipped(t *testing.T) {
	for _, name := range policies.Names() {
		text, errs, code := ocigate(t, "policy", "init", "--from", name, "--output", "-")
		if code != cli.ExitPassed {
			t.Fatalf("%s: exit code %d: %s", name, code, errs)
		}
		p, err := policy.Parse("ocigate.yaml", []byte(text))
		if err != nil {
			t.Fatalf("%s:\n%v", name, err)
		}
		data, err := policies.Read(name)
		if err != nil {
			t.Fatal(err)
		}
		shipped, err := policy.Parse("ocigate.yaml", data)
		if err != nil {
			t.Fatal(err)
		}
		for _, rules := range [][]policy.Rule{p.Rules, shipped.Rules} {
			for i := range rules {
				rules[i].Position = policy.Position{}
			}
		}
		if diff := cmp.Diff(shipped.Rules, p.Rules); diff != "" || p.Database != shipped.Database {
			t.Errorf("%s says something else than what is shipped:\n%s", name, diff)
		}
		uncommented := regexp.MustCompile(`(?m)^#(\S|  )`).ReplaceAllString(strings.ReplaceAll(text, "#   ocigate", "# ocigate"), "$1")
		whole, err := policy.Parse("ocigate.yaml", []byte(uncommented))
		if err != nil {
			t.Errorf("%s without the #:\n%v\n%s", name, err, uncommented)
		} else if len(whole.Waivers) != 1 || len(whole.Sections()) != 1 {
			t.Errorf("%s: the examples are not in it", name)
		}
	}
}

// TestSchemaOfTheCommand: what is printed is what is published.
func TestSchemaOfTheCommand(t *testing.T) {
	out, _, code := ocigate(t, "policy", "schema")
	if code != cli.ExitPassed || out != string(policy.Schema()) || !json.Valid([]byte(out)) {
		t.Errorf("exit code %d, %.100s", code, out)
	}
}
