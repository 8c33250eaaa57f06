// SPDX-License-Identifier: Apache-2.0

// Command secretrules prints what pkg/scan/secret/rules.json must hold. After a change of
// Trivy's version, run in bench/:
//
//	go run ./cmd/secretrules > ../pkg/scan/secret/rules.json.new && mv ../pkg/scan/secret/rules.json.new ../pkg/scan/secret/rules.json
package main

import (
	"fmt"
	"os"

	"github.com/ocigate/ocigate/bench/secrets"
)

func main() {
	b, err := secrets.Export()
	if err == nil {
		_, err = os.Stdout.Write(b)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "secretrules:", err)
		os.Exit(1)
	}
}
