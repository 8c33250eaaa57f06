// SPDX-License-Identifier: Apache-2.0

package image

import "github.com/ocigate/ocigate/pkg/evidence"

// MaskDockerfile masks in a copy what looks like a credential, as Facts does in the
// history that the same instructions leave.
func MaskDockerfile(in *evidence.Dockerfile) *evidence.Dockerfile {
	if in == nil {
		return nil
	}
	out := *in
	out.Stages = append([]evidence.Stage{}, in.Stages...)
	for i := range out.Stages {
		instructions := append([]evidence.Instruction{}, out.Stages[i].Instructions...)
		out.Stages[i].Instructions = instructions
		for j := range instructions {
			maskInstruction(&instructions[j])
		}
	}
	return &out
}

func maskInstruction(i *evidence.Instruction) {
	head := i.Keyword + " "
	var hits []hit
	for _, h := range credentialsInInstruction(head + i.Arguments) {
		h.from, h.to = h.from-len(head), h.to-len(head)
		if h.to > 0 {
			h.from = max(h.from, 0)
			hits = append(hits, h)
		}
	}
	i.Arguments = mark(i.Arguments, hits)
	flags := append([]string(nil), i.Flags...)
	for n := range flags {
		flags[n] = mark(flags[n], credentialsIn(flags[n]))
	}
	i.Flags = flags
}
