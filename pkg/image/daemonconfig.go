// SPDX-License-Identifier: Apache-2.0

package image

import (
	"slices"
	"strings"
	"time"

	v1 "github.com/google/go-containerregistry/pkg/v1"
	"github.com/moby/moby/client"
)

// configFromInspect builds the configuration that the daemon describes.
func configFromInspect(in client.ImageInspectResult, history client.ImageHistoryResult, limits Limits) (*v1.ConfigFile, error) {
	created, err := parseTime(in.Created)
	if err != nil {
		return nil, faultf(KindNetwork, "the daemon's answer: %w", err)
	}
	if n := len(in.RootFS.Layers); n > limits.MaxLayers {
		return nil, faultf(KindLimit, "%d layers are more than %d", n, limits.MaxLayers)
	}
	config := &v1.ConfigFile{
		Architecture: in.Architecture, OS: in.Os, OSVersion: in.OsVersion, Variant: in.Variant,
		Author: in.Author, Created: created, RootFS: v1.RootFS{Type: "layers"}, History: historyOf(history, len(in.RootFS.Layers)),
	}
	for _, l := range in.RootFS.Layers {
		id, err := v1.NewHash(withAlgorithm(l))
		if err != nil {
			return nil, faultf(KindNetwork, "the daemon's answer: diff ID: %w", err)
		}
		config.RootFS.DiffIDs = append(config.RootFS.DiffIDs, id)
	}
	c := in.Config
	if c == nil {
		return config, nil
	}
	config.Config = v1.Config{
		User: c.User, ExposedPorts: c.ExposedPorts, Env: c.Env, Entrypoint: c.Entrypoint, Cmd: c.Cmd, Volumes: c.Volumes,
		WorkingDir: c.WorkingDir, Labels: c.Labels, StopSignal: c.StopSignal, OnBuild: c.OnBuild, Shell: c.Shell,
		//lint:ignore SA1019 deprecated, but part of what the image says
		ArgsEscaped: c.ArgsEscaped,
	}
	if h := c.Healthcheck; h != nil {
		config.Config.Healthcheck = &v1.HealthConfig{Test: h.Test, Interval: h.Interval, Timeout: h.Timeout, StartPeriod: h.StartPeriod, Retries: h.Retries}
	}
	return config, nil
}

// historyOf turns the daemon's history (newest first) around. The API does not say
// which entries are empty layers: those without size are, if the numbers agree.
func historyOf(in client.ImageHistoryResult, layers int) []v1.History {
	items := in.Items
	var out []v1.History
	sized := 0
	for _, it := range items {
		h := v1.History{CreatedBy: it.CreatedBy, Comment: strings.TrimSpace(it.Comment), EmptyLayer: it.Size == 0}
		if it.Created > 0 {
			h.Created = v1.Time{Time: time.Unix(it.Created, 0).UTC()}
		}
		if it.Size != 0 {
			sized++
		}
		out = append(out, h)
	}
	if len(items) == layers && sized != layers {
		for i := range out {
			out[i].EmptyLayer = false
		}
	}
	slices.Reverse(out)
	return out
}
