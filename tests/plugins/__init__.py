"""The plugins that come with WhatsNext."""
