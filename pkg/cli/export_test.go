// SPDX-License-Identifier: Apache-2.0

package cli

import "github.com/spf13/cobra"

// Root is the command tree, for tests that walk it.
func Root() *cobra.Command { return (&app{name: "ocigate"}).root() }
