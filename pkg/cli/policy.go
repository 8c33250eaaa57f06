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
	// network says how registries are reached, for policies in them.
	network networkFlags
}

func (f *policyFlags) register(fl *pflag.FlagSet) {
	f.registerPolicies(fl)
	fl.StringVar(&f.digest, "policy-digest", "", "refuse to run unless the resolved policy has this digest (sha256:…)")
}

func (f *policyFlags) registerPolicies(fl *pflag.FlagSet) {
	fl.StringVarP(&f.policy, "policy", "p", "", "the policy: a file, a shipped one such as ocigate:baseline, or oci://REPOSITORY@DIGEST")
	fl.StringArrayVar(&f.enforce, "enforce", nil, "a policy that stands above --policy, which can only tighten it (repeatable; OCIGATE_ENFORCE adds more)")
}

// loadPolicy loads the policy that the flags and the environment name.
func (a *app) loadPolicy(ctx context.Context, f policyFlags) (*policy.Policy, error) {
	req, err := a.policyRequest(f)
	if err != nil {
		return nil, err
	}
	p, err := a.resolvePolicy(ctx, req, f.network)
	if err != nil {
		return nil, err
	}
	// Both hold: neither takes away what the other demands.
	for _, digest := range []string{f.digest, a.env.Get("OCIGATE_POLICY_DIGEST")} {
		if digest != "" && digest != p.Digest {
			return nil, &hinted{fmt.Errorf("the policy's digest is %s, not %s", p.Digest, digest),
				"somebody changed the policy or a file that it names; `ocigate policy explain` shows what it resolves to"}
		}
	}
	return p, nil
}

func (a *app) resolvePolicy(ctx context.Context, req policy.Request, f networkFlags) (*policy.Policy, error) {
	return resolveWith(ctx, req, a.loader(f))
}

// resolveWith resolves a policy and checks all of it, its Rego rules included.
func resolveWith(ctx context.Context, req policy.Request, l policy.Loader) (*policy.Policy, error) {
	p, err := policy.Load(ctx, req, l)
	var parse *policy.ParseError
	var told *hinted
	switch {
	case errors.As(err, &parse):
		return nil, err
	case err != nil && isUnavailable(err):
		return nil, unavailable(fmt.Errorf("read %w", err))
	case errors.As(err, &told):
		return nil, fmt.Errorf("read %w", err) // what to do is said already
	case err != nil:
		return nil, &hinted{fmt.Errorf("read %w", err),
			"a policy is a path, an artifact (oci://registry/repository@sha256:…), or one that is shipped: " + shipped + strings.Join(policies.Names(), ", "+shipped)}
	}
	if _, err := compileCustom(ctx, p); err != nil {
		return nil, err
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
		Long: `A policy is one YAML file that says what an image must fulfil before it is pushed.
init writes one to start with, lint shows every mistake in it, explain shows what it
resolves to and where each value stands, and schema prints its JSON Schema for editors.`,
		Args: cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help() // to standard output; nothing to do if that fails
			return &exitError{ExitUsage}
		},
	}
	cmd.AddCommand(a.lintCommand(), a.schemaCommand(), a.policyExplainCommand(), a.policyTestCommand(), a.policyInitCommand(), a.policyPushCommand(), a.policyPullCommand())
	return cmd
}
