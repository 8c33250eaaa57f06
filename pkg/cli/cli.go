// SPDX-License-Identifier: Apache-2.0

// Package cli is the command line: cobra commands, flags, streams, the terminal,
// and the exit codes. Everything that the process touches is handed in.
package cli

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/signal"
	"syscall"
	"time"

	"github.com/spf13/cobra"

	"github.com/ocigate/ocigate/pkg/internal/escape"
	"github.com/ocigate/ocigate/pkg/policy"
)

// The exit codes; they are the same for every output format.
const (
	ExitPassed      = 0
	ExitFailed      = 1
	ExitUsage       = 2
	ExitError       = 3
	ExitInterrupted = 130
	ExitTerminated  = 143
)

// Streams are the standard streams of the process.
type Streams struct {
	In       io.Reader
	Out, Err io.Writer
}

// Env looks up an environment variable, as os.LookupEnv does.
type Env func(string) (string, bool)

// Get returns the variable or the empty string.
func (e Env) Get(name string) string {
	v, _ := e(name)
	return v
}

// exitError carries an exit code through cobra. Its message, if any, has been shown.
type exitError struct{ code int }

func (e *exitError) Error() string { return fmt.Sprintf("exit status %d", e.code) }

// hinted is an error with what to do about it.
type hinted struct {
	err  error
	hint string
}

func (h *hinted) Error() string { return h.err.Error() }
func (h *hinted) Unwrap() error { return h.err }

// failure is an error that is not the command line's fault: it exits 3.
type failure struct{ err error }

func (f *failure) Error() string { return f.err.Error() }
func (f *failure) Unwrap() error { return f.err }

// app is the state of one run of the program.
type app struct {
	// streams.Err escapes what is written to it; screen is the same stream bare, for
	// progress lines, which need control characters of their own.
	streams Streams
	screen  io.Writer
	env     Env
}

// Main runs the command line and returns the exit code.
func Main(args []string, streams Streams, env Env) int {
	tuneCollector(env, os.DirFS("/"))
	ctx, cancel := context.WithCancelCause(context.Background())
	defer cancel(nil)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt, syscall.SIGTERM)
	defer signal.Stop(signals)
	go func() {
		select {
		case s := <-signals:
			cancel(&signalError{s})
		case <-ctx.Done():
		}
	}()

	// Whatever is written, no byte from outside reaches a screen as it is.
	errw := escape.NewWriter(streams.Err)
	defer errw.Flush()
	a := &app{streams: Streams{In: streams.In, Out: streams.Out, Err: errw}, screen: streams.Err, env: env}
	root := a.root()
	root.SetArgs(args)
	root.SetIn(streams.In)
	root.SetOut(streams.Out)
	root.SetErr(errw)
	done := make(chan error, 1)
	go func() { done <- execute(ctx, root) }()
	select {
	case err := <-done:
		return a.code(ctx, err)
	case <-ctx.Done():
	}
	// Interrupted. The gate gives up by itself; what hangs elsewhere, such as opening
	// a policy that is a pipe without a writer, is left behind.
	timer := time.NewTimer(interruptGrace)
	defer timer.Stop()
	select {
	case err := <-done:
		return a.code(ctx, err)
	case <-timer.C:
		return a.code(ctx, ctx.Err())
	}
}

// interruptGrace is longer than the gate's own.
const interruptGrace = 6 * time.Second

// execute makes an error of a panic: exit code 2 and a stack trace, which Go would
// leave, mean something else here.
func execute(ctx context.Context, root *cobra.Command) (err error) {
	defer func() {
		if p := recover(); p != nil {
			err = &failure{&hinted{fmt.Errorf("ocigate panicked: %v", p), "this is a bug: please report it"}}
		}
	}()
	return root.ExecuteContext(ctx)
}

type signalError struct{ signal os.Signal }

func (e *signalError) Error() string { return e.signal.String() }

func (a *app) code(ctx context.Context, err error) int {
	var exit *exitError
	var sig *signalError
	switch {
	case errors.As(context.Cause(ctx), &sig):
		fmt.Fprintf(a.streams.Err, "ocigate: %s: nothing was decided\n", sig)
		if sig.signal == syscall.SIGTERM {
			return ExitTerminated
		}
		return ExitInterrupted
	case err == nil:
		return ExitPassed
	case errors.As(err, &exit):
		return exit.code
	}
	// What is left happened before anything was examined: a wrong command line, or a
	// machine on which nothing can be.
	code := ExitUsage
	var failed *failure
	if errors.As(err, &failed) {
		code = ExitError
	}
	fmt.Fprintf(a.streams.Err, "ocigate: %s\n", a.safe(err))
	var h *hinted
	if errors.As(err, &h) && h.hint != "" {
		fmt.Fprintf(a.streams.Err, "ocigate: hint: %s\n", escape.Text(h.hint))
	}
	return code
}

// safe escapes an error. Only diagnostics of a policy, which are escaped already,
// have lines of their own.
func (a *app) safe(err error) string {
	var diagnostics *policy.ParseError
	if errors.As(err, &diagnostics) {
		return err.Error()
	}
	return escape.Text(err.Error())
}

func (a *app) root() *cobra.Command {
	root := &cobra.Command{
		Use:   "ocigate",
		Short: "The gate between docker build and docker push",
		Long: `ocigate looks at the image that was just built, weighs it against one policy
file, and answers pass (0), fail (1) or cannot decide (3) before anything is pushed.`,
		Example: `  ocigate check shop:1.0 --policy ocigate.yaml
  ocigate check oci-archive:image.tar --policy ocigate:baseline --output json=verdict.json`,
		SilenceErrors: true,
		SilenceUsage:  true,
		Args:          cobra.NoArgs,
		RunE: func(cmd *cobra.Command, _ []string) error {
			_ = cmd.Help() // to standard output; nothing to do if that fails
			return &exitError{ExitUsage}
		},
	}
	root.CompletionOptions.HiddenDefaultCmd = true
	root.AddCommand(a.checkCommand(), a.verifyCommand(), a.explainCommand(), a.policyCommand(), a.waiverCommand(), a.cacheCommand(), a.versionCommand())
	return root
}
