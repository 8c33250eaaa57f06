// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strings"

	"github.com/spf13/cobra"
	"github.com/spf13/pflag"

	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/policies"
)

// defaultPolicy is looked for in the working directory.
const defaultPolicy = "ocigate.yaml"

// policyFlags are the flags that say which policies hold.
type policyFlags struct {
	policy  string
	enforce []string
	digest  string
}

func (f *policyFlags) register(fl *pflag.FlagSet) {
	fl.StringVarP(&f.policy, "policy", "p", "", "the policy: a file, or a shipped one such as ocigate:baseline")
	fl.StringArrayVar(&f.enforce, "enforce", nil, "a policy that stands above --policy, which can only tighten it (repeatable; OCIGATE_ENFORCE adds more)")
	fl.StringVar(&f.digest, "policy-digest", "", "refuse to run unless the resolved policy has this digest (sha256:…)")
}

// loadPolicy loads the policy that the flags and the environment name.
func (a *app) loadPolicy(ctx context.Context, f policyFlags) (*policy.Policy, error) {
	req, err := a.policyRequest(f)
	if err != nil {
		return nil, err
	}
	p, err := policy.Load(ctx, req, loader{})
	var parse *policy.ParseError
	switch {
	case errors.As(err, &parse):
		return nil, err
	case err != nil:
		return nil, &hinted{fmt.Errorf("read %w", err),
			"a policy is a path, or one that is shipped: " + shipped + strings.Join(policies.Names(), ", "+shipped)}
	}
	if _, err := compileCustom(ctx, p); err != nil {
		return nil, err
	}
	digest := f.digest
	if digest == "" {
		digest = a.env.Get("OCIGATE_POLICY_DIGEST")
	}
	if digest != "" && digest != p.Digest {
		return nil, &hinted{fmt.Errorf("the policy's digest is %s, not %s", p.Digest, digest),
			"somebody changed the policy or a file that it names; `ocigate policy explain` shows what it resolves to"}
	}
	return p, nil
}

func (a *app) policyRequest(f policyFlags) (policy.Request, error) {
	req := policy.Request{Policy: f.policy}
	for _, e := range f.enforce {
		req.Enforce = append(req.Enforce, policy.Enforced{Reference: e, SetBy: "--enforce"})
	}
	// The variable adds to the flag: neither takes away what the other demands.
	for _, e := range strings.Fields(a.env.Get("OCIGATE_ENFORCE")) {
		req.Enforce = append(req.Enforce, policy.Enforced{Reference: e, SetBy: "OCIGATE_ENFORCE"})
	}
	if req.Policy == "" {
		req.Policy = a.env.Get("OCIGATE_POLICY")
	}
	if req.Policy == "" {
		if _, err := os.Stat(defaultPolicy); err != nil {
			return req, &hinted{errors.New("no policy: --policy is not given, OCIGATE_POLICY is not set, and there is no ocigate.yaml here"),
				"write one, or start with --policy ocigate:baseline"}
		}
		req.Policy = defaultPolicy
	}
	return req, nil
}

func (a *app) policyCommand() *cobra.Command {
	cmd := &cobra.Command{
		Use:   "policy",
		Short: "Work with policy files",
		Args:  cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help() // to standard output; nothing to do if that fails
			return &exitError{ExitUsage}
		},
	}
	cmd.AddCommand(&cobra.Command{
		Use:   "lint FILE...",
		Short: "Check policy files and show every mistake with its line and column",
		Args:  cobra.MinimumNArgs(1),
		RunE: func(cmd *cobra.Command, args []string) error {
			var errs []error
			for _, file := range args {
				p, err := a.loadPolicy(cmd.Context(), policyFlags{policy: file})
				if err != nil {
					errs = append(errs, err)
					continue
				}
				fmt.Fprintf(a.streams.Out, "%s: policy %q, %d rules, %d waivers: no mistakes\n", file, p.Name, len(p.Rules), len(p.Waivers))
			}
			return errors.Join(errs...)
		},
	})
	cmd.AddCommand(a.policyTestCommand())
	return cmd
}
