// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/policies"
)

func (a *app) policyInitCommand() *cobra.Command {
	var path, from string
	cmd := &cobra.Command{
		Use:   "init",
		Short: "Write a commented policy to start with",
		Long: `init writes a policy that says what a shipped one says, line by line, with comments
on each part and on what else can be said. It never overwrites a file. To have it
look at the repository, and write the pipeline too, there is ` + "`ocigate init`" + `.`,
		Example: `  ocigate policy init
  ocigate policy init --from strict --output policies/strict.yaml`,
		Args: cobra.NoArgs,
		RunE: func(*cobra.Command, []string) error {
			text, err := starter(from)
			if err != nil {
				return &hinted{fmt.Errorf("--from: %w", err), "one of " + strings.Join(policies.Names(), ", ")}
			}
			if path == "-" {
				if _, err := a.streams.Out.Write(text); err != nil {
					return &failure{fmt.Errorf("write the policy: %w", err)}
				}
				return nil
			}
			if err := writeNew(path, text); err != nil {
				return err
			}
			fmt.Fprintf(a.streams.Err, "ocigate: wrote %s; next: ocigate policy lint %[1]s, ocigate check IMAGE --policy %[1]s\n", path)
			return nil
		},
	}
	cmd.Flags().StringVarP(&path, "output", "o", defaultPolicy, "the file to write; - for standard output")
	cmd.Flags().StringVar(&from, "from", "baseline", "the shipped policy to start from")
	return cmd
}

// writeNew writes a file that is not there yet.
func writeNew(path string, data []byte) error {
	f, err := os.OpenFile(path, os.O_WRONLY|os.O_CREATE|os.O_EXCL, 0o644)
	if errors.Is(err, fs.ErrExist) {
		return &hinted{fmt.Errorf("%s is there already", path), "choose another --output, or - for standard output"}
	}
	if err != nil {
		return fmt.Errorf("write the policy: %w", err)
	}
	_, err = f.Write(data)
	if err = errors.Join(err, f.Close()); err != nil {
		return &failure{fmt.Errorf("write the policy: %w", err)}
	}
	return nil
}

// starter is a shipped policy between explanations.
func starter(from string) ([]byte, error) {
	data, err := policies.Read(strings.TrimPrefix(from, shipped))
	if err != nil {
		return nil, err
	}
	var body []string
	begun := false
	for line := range strings.Lines(string(data)) {
		// The comments above the first key are about the shipped policy, and the first
		// keys are in the head.
		if strings.HasPrefix(line, "version:") || strings.HasPrefix(line, "name:") {
			begun = true
			continue
		}
		if begun {
			body = append(body, line)
		}
	}
	return []byte(starterHead + strings.TrimRight(strings.Join(body, ""), "\n") + "\n" + starterTail), nil
}

const starterHead = `# yaml-language-server: $schema=` + policy.SchemaID + `
#
# An ocigate policy: what an image must fulfil before it is pushed.
#
#   ocigate policy lint ocigate.yaml    shows every mistake with its line
#   ocigate policy explain              shows what it resolves to, defaults included
#   ocigate check IMAGE                 judges an image by it

# The version of the policy language.
version: 1

# The policy's name, as reports show it.
name: image-policy
`

// Examples begin with "#" and no blank: without it they are policy.
const starterTail = `
# A rule has an id, and may have: action (fail or warn), from (the day from which it
# fails; before, it warns), title and remediation (what reports say).
# All groups of rules and their keys: ocigate policy schema, or an editor that reads it.

# What is accepted for a while. Each waiver names a rule, a finding, or both, and may be
# narrowed to a package or path. It holds to the end of its last day.
#waivers:
#  - id: w-2026-001
#    finding: CVE-2024-1234
#    package: openssl
#    until: 2026-12-31
#    reason: not reachable, TLS is terminated upstream
#    owner: payments
#    reference: https://tracker.example.com/SEC-88

# How far ahead a waiver may end.
#waiver-limits: {max-horizon: 90d}

# What holds for some images besides the above; the first section that matches applies.
#images:
#  - match: ["registry.example.com/legacy/**"]
#    database: {max-age: 1d}
`
