// SPDX-License-Identifier: Apache-2.0

package cli

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"path/filepath"
	"strings"

	"github.com/spf13/pflag"

	"github.com/ocigate/ocigate/pkg/internal/escape"
)

const (
	pluginName     = "docker-ocigate"
	pluginMetadata = "docker-cli-plugin-metadata"
	summary        = "The gate between docker build and docker push"
)

// Program runs the program that argv names: ocigate, or, where the binary is called
// docker-ocigate, the plug-in that makes `docker ocigate` of it.
func Program(argv []string, streams Streams, env Env) int {
	if len(argv) == 0 || strings.TrimSuffix(filepath.Base(argv[0]), ".exe") != pluginName {
		return Main(argv[min(1, len(argv)):], streams, env)
	}
	if len(argv) == 2 && argv[1] == pluginMetadata {
		return writePluginMetadata(streams)
	}
	args, env, err := pluginArguments(argv[1:], env)
	if err != nil {
		fmt.Fprintf(streams.Err, "ocigate: %s\n", escape.Line(escape.Text(err.Error())))
		return ExitUsage
	}
	return run(args, streams, env, "docker ocigate", clientGone(env))
}

// writePluginMetadata answers what the docker client asks each plug-in.
func writePluginMetadata(streams Streams) int {
	enc := json.NewEncoder(streams.Out)
	enc.SetIndent("", "  ")
	err := enc.Encode(struct{ SchemaVersion, Vendor, Version, ShortDescription, URL string }{
		"0.1.0", "ocigate", Version(), summary, "https://github.com/ocigate/ocigate"})
	if err != nil {
		return ExitError
	}
	return ExitPassed
}

// dockerFlags are the docker client's own, which stand before the plug-in's name.
type dockerFlags struct {
	config, context       string
	hosts                 []string
	tls, tlsVerify, help  bool
	caCert, cert, certKey string
}

func (d *dockerFlags) parse(args []string) ([]string, error) {
	fl := pflag.NewFlagSet("docker", pflag.ContinueOnError)
	fl.SetInterspersed(false)
	fl.SetOutput(io.Discard)
	fl.StringVar(&d.config, "config", "", "")
	fl.StringVarP(&d.context, "context", "c", "", "")
	fl.StringArrayVarP(&d.hosts, "host", "H", nil, "")
	fl.BoolVar(&d.tls, "tls", false, "")
	fl.BoolVar(&d.tlsVerify, "tlsverify", false, "")
	fl.StringVar(&d.caCert, "tlscacert", "", "")
	fl.StringVar(&d.cert, "tlscert", "", "")
	fl.StringVar(&d.certKey, "tlskey", "", "")
	fl.BoolVarP(&d.help, "help", "h", false, "")
	fl.BoolP("debug", "D", false, "")
	fl.StringP("log-level", "l", "", "")
	err := fl.Parse(args)
	return fl.Args(), err
}

// pluginArguments makes ocigate's arguments of those that the docker client passes:
// its own flags, the plug-in's name, and what follows. Its flags become the variables
// that say the same.
func pluginArguments(args []string, env Env) ([]string, Env, error) {
	var verb []string
	// The shell's completion stands in front of everything.
	if len(args) > 0 && strings.HasPrefix(args[0], "__complete") {
		verb, args = args[:1:1], args[1:]
	}
	var d dockerFlags
	rest, err := d.parse(args)
	if err != nil {
		return nil, nil, err
	}
	if len(rest) > 0 && rest[0] == "help" {
		verb, rest = append(verb, "help"), rest[1:]
	}
	if len(rest) > 0 && rest[0] == strings.TrimPrefix(pluginName, "docker-") {
		rest = rest[1:]
	}
	set, err := d.variables()
	if err != nil {
		return nil, nil, err
	}
	all := append(verb, rest...)
	if d.help {
		all = append(all, "--help")
	}
	return all, func(name string) (string, bool) {
		if v, ok := set[name]; ok {
			return v, v != ""
		}
		return env(name)
	}, nil
}

// variables are those that stand for the flags; an empty one is unset.
func (d *dockerFlags) variables() (map[string]string, error) {
	set := map[string]string{}
	switch {
	case len(d.hosts) > 1:
		return nil, errors.New("docker --host is given more than once: name one daemon")
	case len(d.hosts) == 1 && d.context != "":
		return nil, errors.New("docker --host and --context contradict each other: name one daemon")
	case len(d.hosts) == 1:
		set["DOCKER_HOST"] = d.hosts[0]
	case d.context != "":
		set["DOCKER_CONTEXT"] = d.context
		// The default context is the one that DOCKER_HOST names.
		if d.context != "default" {
			set["DOCKER_HOST"] = ""
		}
	}
	if d.config != "" {
		set["DOCKER_CONFIG"] = d.config
	}
	if d.tls {
		set["DOCKER_TLS"] = "1"
	}
	if d.tlsVerify {
		set["DOCKER_TLS_VERIFY"] = "1"
	}
	for name, path := range map[string]string{"ca.pem": d.caCert, "cert.pem": d.cert, "key.pem": d.certKey} {
		if path == "" {
			continue
		}
		dir := filepath.Dir(path)
		if known := set["DOCKER_CERT_PATH"]; filepath.Base(path) != name || known != "" && known != dir {
			return nil, errors.New("docker --tlscacert, --tlscert and --tlskey must be ca.pem, cert.pem and key.pem of one directory here: use a docker context instead")
		}
		set["DOCKER_CERT_PATH"] = dir
	}
	return set, nil
}

// clientGone is closed when the docker client that started the plug-in gives up: it does
// not pass signals on. Nil where there is none to watch.
func clientGone(env Env) <-chan struct{} {
	name := env.Get("DOCKER_CLI_PLUGIN_SOCKET")
	if name == "" {
		return nil
	}
	conn, err := net.DialUnix("unix", nil, &net.UnixAddr{Name: name, Net: "unix"})
	if err != nil {
		return nil // a client that cannot be watched is no reason to judge nothing
	}
	gone := make(chan struct{})
	go func() {
		defer conn.Close()
		_, _ = io.Copy(io.Discard, conn) // until it is closed
		close(gone)
	}()
	return gone
}
