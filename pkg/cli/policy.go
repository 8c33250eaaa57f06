// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/policy"
	"github.com/ocigate/ocigate/policies"
)

// defaultPolicy is looked for in the working directory.
const defaultPolicy = "ocigate.yaml"

// maxPolicy bounds what is read before the parser's own limit says no.
const maxPolicy = 2 << 20

// loader reads policies from files and from the binary.
type loader struct{}

func (loader) Load(_ context.Context, reference string) ([]byte, error) {
	if name, ok := strings.CutPrefix(reference, "ocigate:"); ok {
		return policies.Read(name)
	}
	f, err := os.Open(reference)
	if err != nil {
		return nil, err
	}
	defer f.Close()
	return io.ReadAll(io.LimitReader(f, maxPolicy))
}

func (a *app) loadPolicy(ctx context.Context, reference string) (*policy.Policy, error) {
	if reference == "" {
		reference = a.env.Get("OCIGATE_POLICY")
	}
	if reference == "" {
		if _, err := os.Stat(defaultPolicy); err != nil {
			return nil, &hinted{errors.New("no policy: --policy is not given, OCIGATE_POLICY is not set, and there is no ocigate.yaml here"),
				"write one, or start with --policy ocigate:baseline"}
		}
		reference = defaultPolicy
	}
	p, err := policy.Load(ctx, reference, loader{})
	var parse *policy.ParseError
	if err != nil && !errors.As(err, &parse) {
		return nil, &hinted{fmt.Errorf("read %w", err),
			"--policy takes a path, or one that is shipped: ocigate:" + strings.Join(policies.Names(), ", ocigate:")}
	}
	return p, err
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
				p, err := a.loadPolicy(cmd.Context(), file)
				if err != nil {
					errs = append(errs, err)
					continue
				}
				fmt.Fprintf(a.streams.Out, "%s: policy %q, %d rules, %d waivers: no mistakes\n", file, p.Name, len(p.Rules), len(p.Waivers))
			}
			return errors.Join(errs...)
		},
	})
	return cmd
}
