// SPDX-License-Identifier: Apache-2.0

package image

import (
	"fmt"
	"path/filepath"

	"github.com/docker/cli/cli/config"
	dockercontext "github.com/docker/cli/cli/context"
	"github.com/docker/cli/cli/context/docker"
	"github.com/docker/cli/cli/context/store"
	"github.com/moby/moby/client"
)

const defaultSocket = "/var/run/docker.sock"

// daemonHost finds the daemon that `docker` would talk to, then Podman's. It is nil
// where none is configured; the text says what was looked for.
func (o *opener) daemonHost() (*docker.Endpoint, string, error) {
	if host := o.getenv("DOCKER_HOST"); host != "" {
		return o.endpointFromEnv(host)
	}
	name, err := o.contextName()
	if err != nil {
		return nil, "", err
	}
	if name != "" && name != "default" {
		return o.endpointFromContext(name)
	}
	sockets := []string{defaultSocket}
	if dir := o.getenv("XDG_RUNTIME_DIR"); dir != "" {
		sockets = append(sockets, filepath.Join(dir, "podman", "podman.sock"))
	}
	for _, s := range sockets {
		if exists(s) {
			return &docker.Endpoint{EndpointMeta: docker.EndpointMeta{Host: "unix://" + s}}, "", nil
		}
	}
	return nil, "no Docker daemon is configured (DOCKER_HOST, docker context, " + defaultSocket + ")", nil
}

func (o *opener) contextName() (string, error) {
	if name := o.getenv("DOCKER_CONTEXT"); name != "" {
		return name, nil
	}
	dir := dockerConfigDir(o.Options)
	if dir == "" {
		return "", nil
	}
	cf, err := config.Load(dir)
	if err != nil {
		return "", fmt.Errorf("docker configuration: %w", err)
	}
	return cf.CurrentContext, nil
}

// endpointFromEnv applies DOCKER_TLS, DOCKER_TLS_VERIFY and DOCKER_CERT_PATH as docker does.
func (o *opener) endpointFromEnv(host string) (*docker.Endpoint, string, error) {
	ep := &docker.Endpoint{EndpointMeta: docker.EndpointMeta{Host: host}}
	verify := o.getenv("DOCKER_TLS_VERIFY") != ""
	if !verify && o.getenv("DOCKER_TLS") == "" {
		return ep, "", nil
	}
	dir := o.getenv("DOCKER_CERT_PATH")
	if dir == "" {
		dir = dockerConfigDir(o.Options)
	}
	file := func(name string) string {
		if path := filepath.Join(dir, name); exists(path) {
			return path
		}
		return ""
	}
	data, err := dockercontext.TLSDataFromFiles(file("ca.pem"), file("cert.pem"), file("key.pem"))
	if err != nil {
		return nil, "", fmt.Errorf("docker TLS files: %w", err)
	}
	if data == nil {
		data = &dockercontext.TLSData{} // TLS with the system's authorities
	}
	ep.TLSData, ep.SkipTLSVerify = data, !verify
	return ep, "", nil
}

func (o *opener) endpointFromContext(name string) (*docker.Endpoint, string, error) {
	dir := dockerConfigDir(o.Options)
	if dir == "" {
		return nil, "", faultf(KindUsage, "docker context %q: neither DOCKER_CONFIG nor HOME is set", name)
	}
	s := store.New(filepath.Join(dir, "contexts"), store.NewConfig(
		func() any { return &map[string]any{} },
		store.EndpointTypeGetter(docker.DockerEndpoint, func() any { return &docker.EndpointMeta{} }),
	))
	meta, err := s.GetMetadata(name)
	if err != nil {
		return nil, "", faultf(KindUsage, "docker context %q: %w", name, err).withHint("see `docker context ls`; DOCKER_HOST and DOCKER_CONTEXT override it")
	}
	m, err := docker.EndpointFromContext(meta)
	if err != nil {
		return nil, "", faultf(KindUsage, "docker context %q: %w", name, err)
	}
	ep, err := docker.WithTLSData(s, name, m)
	if err != nil {
		return nil, "", faultf(KindUsage, "docker context %q: %w", name, err)
	}
	return &ep, "", nil
}

// newDaemonClient connects; the API version is negotiated with the first request.
func newDaemonClient(ep *docker.Endpoint) (*client.Client, error) {
	opts, err := ep.ClientOpts()
	if err == nil {
		var c *client.Client
		if c, err = client.New(append(opts, client.WithUserAgent(userAgent))...); err == nil {
			return c, nil
		}
	}
	return nil, faultf(KindUsage, "docker host %s: %w", redactReference(ep.Host), err)
}
