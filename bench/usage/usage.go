// SPDX-License-Identifier: Apache-2.0

// Package usage is what one run of a program took.
package usage

import (
	"cmp"
	"slices"
	"time"
)

// Usage is what the operating system says of one process that has ended.
type Usage struct {
	Wall time.Duration
	// CPU is user and system time.
	CPU time.Duration
	// Memory is the peak of the resident memory in bytes.
	Memory int64
	// Code is the exit code.
	Code int
}

// Median takes each figure's own median.
func Median(all []Usage) Usage {
	return Usage{
		Wall:   median(all, func(u Usage) time.Duration { return u.Wall }),
		CPU:    median(all, func(u Usage) time.Duration { return u.CPU }),
		Memory: median(all, func(u Usage) int64 { return u.Memory }),
	}
}

func median[T cmp.Ordered](all []Usage, of func(Usage) T) (zero T) {
	if len(all) == 0 {
		return zero
	}
	v := make([]T, len(all))
	for i, u := range all {
		v[i] = of(u)
	}
	slices.Sort(v)
	return v[len(v)/2]
}
