// SPDX-License-Identifier: Apache-2.0

package custom

import (
	"slices"
	"strings"

	"github.com/open-policy-agent/opa/v1/ast"
)

// sandbox is the part of Rego that rules may use. What reaches the network, the
// machine, its clock or chance is not in it, so that the same evidence gives the same
// answer anywhere.
func sandbox() *ast.Capabilities {
	c := ast.CapabilitiesForThisVersion()
	c.AllowNet = []string{}
	c.Builtins = slices.DeleteFunc(slices.Clone(c.Builtins), func(b *ast.Builtin) bool { return forbidden(b) })
	return c
}

func forbidden(b *ast.Builtin) bool {
	switch b.Name {
	case ast.NowNanos.Name:
		return false // answers the effective time
	case ast.CryptoX509ParseAndVerifyCertificates.Name, ast.CryptoX509ParseAndVerifyCertificatesWithOptions.Name:
		return true // read the machine's clock
	case ast.JSONSchemaVerify.Name, ast.JSONMatchSchema.Name:
		return true // a schema may refer to others by URL
	case ast.RegoParseModule.Name, ast.InternalPrint.Name, ast.InternalTestCase.Name:
		return true
	}
	family, _, _ := strings.Cut(b.Name, ".")
	switch family {
	case "http", "net", "opa", "rand", "uuid", "providers":
		return true
	}
	return b.IsNondeterministic() || strings.HasPrefix(b.Name, "io.jwt.")
}

// removed says whether a name is that of a function which the sandbox lacks.
func removed(name string) bool {
	b, ok := ast.BuiltinMap[name]
	return ok && forbidden(b)
}
