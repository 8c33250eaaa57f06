// SPDX-License-Identifier: Apache-2.0

package cli_test

import (
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ocigate/ocigate/pkg/cli"
)

// TestManualIsComplete: each command has a page, and each page each flag; all exit codes
// and all variables are there, and the manual in doc.go has the same.
func TestManualIsComplete(t *testing.T) {
	dir := t.TempDir()
	if _, errs, code := ocigate(t, "man", dir); code != cli.ExitPassed {
		t.Fatal(errs)
	}
	doc, err := os.ReadFile("../../cmd/ocigate/doc.go")
	if err != nil {
		t.Fatal(err)
	}
	pages := 0
	var visit func(cmd *cobra.Command)
	visit = func(cmd *cobra.Command) {
		if cmd.Hidden {
			return
		}
		pages++
		b, err := os.ReadFile(filepath.Join(dir, strings.ReplaceAll(cmd.CommandPath(), " ", "-")+".1"))
		if err != nil {
			t.Error(err)
			return
		}
		text := strings.NewReplacer(`\-`, "-", `\fB`, "", `\fR`, "").Replace(string(b))
		cmd.Flags().VisitAll(func(f *pflag.Flag) {
			if !strings.Contains(text, "--"+f.Name) {
				t.Errorf("%s: no --%s", cmd.CommandPath(), f.Name)
			}
		})
		for _, code := range []int{cli.ExitPassed, cli.ExitFailed, cli.ExitUsage, cli.ExitError} {
			if !strings.Contains(text, "\n.TP\n"+strconv.Itoa(code)+"\n") {
				t.Errorf("%s: no exit code %d", cmd.CommandPath(), code)
			}
		}
		if !cmd.HasParent() {
			for _, name := range slices.Sorted(maps.Keys(variables())) {
				if !strings.Contains(text, name) {
					t.Errorf("no %s", name)
				}
				if strings.HasPrefix(name, "OCIGATE_") && !strings.Contains(string(doc), name) {
					t.Errorf("doc.go: no %s", name)
				}
			}
		}
		for _, below := range cmd.Commands() {
			visit(below)
		}
	}
	visit(cli.Root())
	if pages < 20 {
		t.Errorf("only %d pages", pages)
	}
}
