// SPDX-License-Identifier: Apache-2.0

// Roots prints the certificate authorities that the release's image trusts: those of
// Mozilla, as the Go team publishes them and go.sum pins them. It is a module of its
// own, so that ocigate itself does not depend on them.
package main

import (
	"encoding/pem"
	"log/slog"
	"os"

	"golang.org/x/crypto/x509roots/fallback/bundle"
)

func main() {
	for root := range bundle.Roots() {
		// A PEM file cannot say what a root is constrained to: such a one is left out.
		if root.Constraint != nil {
			continue
		}
		if err := pem.Encode(os.Stdout, &pem.Block{Type: "CERTIFICATE", Bytes: root.Certificate}); err != nil {
			slog.Error("roots", "error", err)
			os.Exit(1)
		}
	}
}
