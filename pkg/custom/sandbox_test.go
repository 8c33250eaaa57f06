// SPDX-License-Identifier: Apache-2.0

package custom

import (
	"errors"
	"flag"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"github.com/open-policy-agent/opa/v1/ast"
)

var update = flag.Bool("update", false, "write the list of functions anew")

// TestFunctions pins what rules may call: a function that a new version of OPA brings
// must be looked at before it is in.
func TestFunctions(t *testing.T) {
	var names []string
	for _, b := range sandbox().Builtins {
		names = append(names, b.Name)
	}
	slices.Sort(names)
	got := strings.Join(names, "\n") + "\n"
	file := filepath.Join("testdata", "functions.txt")
	if *update {
		if err := os.WriteFile(file, []byte(got), 0o644); err != nil {
			t.Fatal(err)
		}
	}
	want, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	if diff := cmp.Diff(string(want), got); diff != "" {
		t.Errorf("-want +got; -update writes it anew:\n%s", diff)
	}
}

// TestForbiddenFunctions calls each one that reaches beyond the evidence.
func TestForbiddenFunctions(t *testing.T) {
	for _, call := range []string{
		`http.send({"method": "GET", "url": "http://127.0.0.1/"})`,
		`opa.runtime()`,
		`net.lookup_ip_addr("localhost")`,
		`net.cidr_contains("127.0.0.0/8", "127.0.0.1")`,
		`rand.intn("a", 10)`,
		`uuid.rfc4122("a")`,
		`uuid.parse("a")`,
		`io.jwt.decode("a")`,
		`io.jwt.decode_verify("a", {})`,
		`io.jwt.encode_sign({}, {}, {})`,
		`io.jwt.verify_hs256("a", "b")`,
		`providers.aws.sign_req({}, {}, 1)`,
		`json.match_schema({}, {"$ref": "http://127.0.0.1/"})`,
		`json.verify_schema({"$ref": "http://127.0.0.1/"})`,
		`crypto.x509.parse_and_verify_certificates("a")`,
		`crypto.x509.parse_and_verify_certificates_with_options("a", {})`,
		`rego.parse_module("a", "package a")`,
		`internal.test_case([1])`,
	} {
		name, _, _ := strings.Cut(call, "(")
		t.Run(name, func(t *testing.T) {
			if _, ok := ast.BuiltinMap[name]; !ok {
				t.Fatal("OPA has no such function: spell it as OPA does")
			}
			for _, use := range []string{
				"deny contains \"x\" if " + call,
				"deny contains \"x\" if { y := " + call + "; y != 1 }",
				"deny contains \"x\" if count([1 | " + call + "]) == 0",
				"deny contains \"x\" if not input.base with " + name + " as 1",
			} {
				_, err := Compile(t.Context(), []Source{{Name: "a.rego", Data: []byte("package ocigate\n\n" + use)}})
				var e *Error
				if !errors.As(err, &e) || !strings.HasPrefix(err.Error(), "a.rego:3:") || !strings.Contains(err.Error(), name) && !strings.Contains(use, " with ") {
					t.Errorf("%s: got %v", use, err)
				}
			}
		})
	}
}
