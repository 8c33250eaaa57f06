// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/verdict"
)

func (a *app) verifyCommand() *cobra.Command {
	f := &checkFlags{cache: cacheFlags{none: true}} // no layer is looked into
	cmd := &cobra.Command{
		Use:   "verify IMAGE",
		Short: "Judge an image's signatures, attestations and base image only",
		Long: `verify decides by the policy's rules about signatures, attestations and the base
image, and by nothing else: no layer is pulled and no database is fetched, so that it
answers in a few round trips. Its verdict says "signatures only", and is no permission
to push; ` + "`ocigate check`" + ` judges by these rules too. It exits 0 (PASSED), 1 (FAILED),
2 (usage) or 3 (could not decide).

IMAGE is what check takes. What a Docker daemon says of an image's layers is taken on
its word; check confirms it.`,
		Example: `  ocigate verify registry:registry.example.com/shop:1.0 --policy ocigate.yaml
  ocigate verify oci-archive:image.tar --policy ocigate.yaml --bundle image.sigstore.json`,
		Args: oneImage("verify"),
		RunE: func(cmd *cobra.Command, args []string) error {
			return a.check(cmd.Context(), args[0], f, verdict.ScopeSignatures)
		},
	}
	fl := cmd.Flags()
	f.register(fl)
	fl.StringArrayVarP(&f.outputs, "output", "o", nil, "report format: text, json, sarif, junit, markdown or html, optionally =PATH (repeatable; default text)")
	fl.BoolVar(&f.offline, "offline", false, "fetch no trusted roots and ask no key service: use what is in the cache; only registries that hold images are asked")
	return cmd
}
