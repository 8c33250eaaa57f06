// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"maps"
	"os"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/verdict"
	"github.com/ocigate/ocigate/policies"
)

// completion is what a shell offers for a word that has been begun.
type completion = func(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective)

// words offers a fixed list.
func words(list ...string) completion {
	return cobra.FixedCompletions(list, cobra.ShellCompDirectiveNoFileComp)
}

// complete says for a command and those below it what may follow their flags. What is
// not listed is completed as a file.
func complete(cmd *cobra.Command) {
	for _, below := range cmd.Commands() {
		complete(below)
	}
	switch cmd.Name() {
	case "check", "verify":
		cmd.ValidArgsFunction = completeOneImage
	case "version", "schema", "info", "clean":
		cmd.ValidArgsFunction = words()
	}
	for name, f := range map[string]completion{
		"policy": completePolicy, "enforce": completePolicy, "from": words(policies.Names()...),
		"base": completeImage, "baseline": completeImage,
		"output": completeOutput(cmd), "color": words("auto", "always", "never"),
		"platform": words("linux/amd64", "linux/arm64", "linux/arm/v7"), "forecast": words("7d", "14d", "30d"),
		"effective-time": words(), "timeout": words(), "policy-digest": words(), "destination": words(),
	} {
		if flag := cmd.Flags().Lookup(name); flag != nil && f != nil {
			_ = cmd.RegisterFlagCompletionFunc(name, f) // fails only for a flag that is not there
		}
	}
}

// completePolicy offers the shipped policies and the one that is here; where nothing of
// that fits, the shell offers files.
func completePolicy(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	var list []string
	if _, err := os.Stat(defaultPolicy); err == nil {
		list = append(list, defaultPolicy+"\tthe policy here")
	}
	for _, name := range policies.Names() {
		list = append(list, shipped+name+"\tshipped")
	}
	return startingWith(list, begun), cobra.ShellCompDirectiveDefault
}

// completeOutput offers formats; what follows the "=" is a file. Nil: --output is a file.
func completeOutput(cmd *cobra.Command) completion {
	flag := cmd.Flags().Lookup("output")
	if flag == nil || flag.DefValue != "text" && flag.Value.Type() != "stringArray" {
		return nil
	}
	if flag.DefValue == "text" {
		return words("text", "json")
	}
	var scope verdict.Scope
	if cmd.Name() == "verify" {
		scope = verdict.ScopeSignatures
	}
	return func(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
		if strings.Contains(begun, "=") {
			return nil, cobra.ShellCompDirectiveDefault
		}
		list := startingWith(slices.Sorted(maps.Keys(formatsOf(scope))), begun)
		return list, cobra.ShellCompDirectiveNoFileComp | cobra.ShellCompDirectiveNoSpace
	}
}

// completeImage offers the transports, and files for those of files.
func completeImage(_ *cobra.Command, _ []string, begun string) ([]string, cobra.ShellCompDirective) {
	list := startingWith([]string{
		"registry:\tan image in a registry", "docker-daemon:\tan image of the Docker daemon", "docker-archive:\twhat docker save writes",
		"oci:\tan OCI layout", "oci-archive:\ta tar of an OCI layout",
	}, begun)
	if len(list) == 0 || begun == "" {
		return list, cobra.ShellCompDirectiveDefault
	}
	return list, cobra.ShellCompDirectiveNoSpace
}

// completeOneImage is completeImage for a command that takes one argument.
func completeOneImage(cmd *cobra.Command, args []string, begun string) ([]string, cobra.ShellCompDirective) {
	if len(args) > 0 {
		return nil, cobra.ShellCompDirectiveNoFileComp
	}
	return completeImage(cmd, args, begun)
}

func startingWith(list []string, begun string) []string {
	return slices.DeleteFunc(list, func(s string) bool { return !strings.HasPrefix(s, begun) })
}
