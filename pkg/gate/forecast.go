// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"time"

	"github.com/ocigate/ocigate/pkg/verdict"
)

// foretell decides, and looks ahead if that was asked for.
func foretell(ahead time.Duration, in verdict.Input) verdict.Verdict {
	v := verdict.Decide(in)
	if ahead > 0 {
		until := in.EffectiveTime.Add(min(ahead, verdict.MaxForecast))
		v.Forecast, v.ForecastUntil = verdict.Forecast(in, until), &until
	}
	return v
}
