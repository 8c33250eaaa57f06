// SPDX-License-Identifier: Apache-2.0

//go:build unix

// Measure runs a program and writes what it took to standard output, as JSON. It is a
// program of its own because a process begins with the peak of the memory of the one
// that started it: this one is small.
//
//	measure FILE PROGRAM [ARGUMENT...]
//
// The program's standard output goes to the file.
package main

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"runtime"
	"syscall"
	"time"

	"github.com/ocigate/ocigate/bench/usage"
)

func main() {
	if err := run(os.Args[1:]); err != nil {
		fmt.Fprintln(os.Stderr, "measure:", err)
		os.Exit(1)
	}
}

func run(args []string) error {
	if len(args) < 2 {
		return errors.New("want FILE PROGRAM [ARGUMENT...]")
	}
	out, err := os.Create(args[0])
	if err != nil {
		return err
	}
	defer out.Close()
	ctx, stop := signal.NotifyContext(context.Background(), os.Interrupt)
	defer stop()
	cmd := exec.CommandContext(ctx, args[1], args[2:]...)
	cmd.Stdout, cmd.Stderr = out, os.Stderr
	start := time.Now()
	err = cmd.Run()
	u := usage.Usage{Wall: time.Since(start)}
	if exit := (*exec.ExitError)(nil); err != nil && !errors.As(err, &exit) {
		return err
	}
	u.CPU = cmd.ProcessState.UserTime() + cmd.ProcessState.SystemTime()
	u.Code = cmd.ProcessState.ExitCode()
	if r, ok := cmd.ProcessState.SysUsage().(*syscall.Rusage); ok {
		u.Memory = int64(r.Maxrss) << 10
		if runtime.GOOS == "darwin" {
			u.Memory = int64(r.Maxrss)
		}
	}
	return json.NewEncoder(os.Stdout).Encode(u)
}
