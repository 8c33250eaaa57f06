// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"fmt"
	"path/filepath"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/pkg/policytest"
)

func (a *app) policyTestCommand() *cobra.Command {
	f := &policyFlags{}
	cmd := &cobra.Command{
		Use:   "test CASES...",
		Short: "Hold a policy against recorded evidence: its unit tests",
		Long: `test decides about recorded evidence and compares the outcomes with the expected
ones, in milliseconds and without an image. It exits 0 if all cases are met, 1 if one is
not, and 2 if a file of cases, or the policy, is faulty.

  ocigate check IMAGE --output evidence=shop.json

records evidence. A file of cases is YAML:

  version: 1
  cases:
    - name: the shop has no secrets
      evidence: shop.json              # beside this file, or beneath it
      effective-time: 2026-11-24       # default: that of the evidence
      expect:
        status: FAILED                 # PASSED, FAILED or ERROR
        rules:
          no-secrets: pass             # pass, fail, warn, skip or error
          no-critical: {result: fail, violations: 2, ids: [CVE-2026-1, CVE-2026-2]}
          house: {result: warn, warnings: 1, waived: 0}
    - name: a user of its own is enough
      evidence: shop.json
      platform: linux/amd64            # default: every platform must be as expected
      patch:                           # laid over the evidence (JSON merge patch)
        image: {user: {configured: "65532:65532", uid: 65532, gid: 65532}}
      expect:
        exact: true                    # what is not mentioned must pass or not apply
        rules: {no-critical: fail}`,
		Example: `  ocigate policy test --policy ocigate.yaml tests/*.yaml`,
		Args:    cobra.MinimumNArgs(1),
		RunE:    func(cmd *cobra.Command, args []string) error { return a.policyTest(cmd.Context(), args, *f) },
	}
	f.register(cmd.Flags())
	return cmd
}

func (a *app) policyTest(ctx context.Context, files []string, f policyFlags) error {
	pol, err := a.loadPolicy(ctx, f)
	if err != nil {
		return err
	}
	rules, err := compileCustom(ctx, pol)
	if err != nil {
		return err
	}
	failed, total := 0, 0
	out := escape.NewWriter(a.streams.Out)
	for _, file := range files {
		results, err := runCases(ctx, pol, rules, file)
		if err != nil {
			return err
		}
		for _, r := range results {
			total++
			word := "PASS"
			if len(r.Differences) > 0 {
				failed++
				word = "FAIL"
			}
			fmt.Fprintf(out, "%s  %s:%d: %s\n", word, escape.Text(file), r.Case.Position.Line, escape.Text(r.Case.Name))
			for _, d := range r.Differences {
				fmt.Fprintf(out, "      %s\n", escape.Text(d))
			}
		}
	}
	fmt.Fprintf(out, "%d passed, %d failed\n", total-failed, failed)
	if failed > 0 {
		return &exitError{ExitFailed}
	}
	return nil
}

func runCases(ctx context.Context, pol *policy.Policy, rules customRules, file string) ([]policytest.Result, error) {
	data, err := readFile(file, policytest.MaxSize)
	if err != nil {
		return nil, fmt.Errorf("read the cases %s: %w", file, err)
	}
	suite, err := policytest.Parse(file, data)
	if err != nil {
		return nil, err
	}
	open := beneath(filepath.Dir(file))
	return policytest.Run(ctx, pol, rules, suite, func(name string) ([]byte, error) { return open(ctx, name) })
}
