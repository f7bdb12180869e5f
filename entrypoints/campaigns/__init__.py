"""The calls of `espalier.v1.CampaignService`, by what they are about."""
